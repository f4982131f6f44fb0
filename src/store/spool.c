/*
 * The folder of segments.
 *
 * Runs on the spool actor's thread, opening on main's.
 *
 * sync_note: when a write or a sync fails, nothing can be known of the pages it was about, and a
 * second sync of the same file may succeed without them. So the segment is cut back to what was
 * durable and sealed, and the group is written once more, to a new file. If that fails too, the
 * group is refused, and so is everything for RETRY_NS.
 */
#include "store/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/spool_segment.h"
#include "util/clock.h"
#include "util/log.h"

#define RETRY_NS NS_PER_S
#define NAME_LEN 16
#define USUAL_LEN 1024 /* bytes of an event as most are */

struct spool {
	const struct config *cfg;
	struct metrics *metrics;
	struct uuid deployment;
	char *quarantine;
	int lock_fd;

	struct segment **segments; /* oldest first */
	size_t n, cap;
	struct segment *active; /* the last one, while it grows; else NULL */
	uint64_t next_number;
	uint64_t bytes;	  /* of all segments */
	uint64_t records; /* durable and not acknowledged by Kafka */

	struct buf group; /* appended and not committed */
	uint64_t group_records;
	uint64_t refuse_until_ns; /* see sync_note */

	/* what spool_next reads from */
	struct buf window;
	uint64_t window_number; /* its segment; 0: none */
	uint64_t window_from;	/* where in it the window begins */
};

/* Keep damaged bytes of a segment; counted once, however often they are met. */
static void quarantine(struct spool *s, const struct segment *seg, uint64_t at, const char *data,
		       size_t len)
{
	char *path = xasprintf("%s/%016" PRIx64 "-%08" PRIx64, s->quarantine, seg->number, at);
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0) {
		const bool ok = write(fd, data, len) == (ssize_t)len && fsync(fd) == 0;
		close(fd);
		metrics_add(s->metrics, M_SPOOL_QUARANTINED, 1);
		log_error("spool",
			  "a segment is damaged, going on behind the damage| segment=%s at=%" PRIu64
			  " bytes=%zu %s=%s",
			  seg->path, at, len, ok ? "kept_in" : "not_kept", path);
	}
	free(path);
}

static void add_segment(struct spool *s, struct segment *seg)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 8 : s->cap * 2;
		s->segments = xrealloc(s->segments, s->cap * sizeof(struct segment *));
	}
	s->segments[s->n++] = seg;
	s->bytes += seg->size;
	if (seg->number >= s->next_number)
		s->next_number = seg->number + 1;
}

static void remove_segment(struct spool *s, size_t i, bool delete_file)
{
	struct segment *seg = s->segments[i];
	s->bytes -= seg->size;
	s->records -= seg->records; /* those lost to damage since it was opened */
	if (s->active == seg)
		s->active = NULL;
	if (s->window_number == seg->number)
		s->window_number = 0;
	memmove(&s->segments[i], &s->segments[i + 1], (s->n - i - 1) * sizeof(struct segment *));
	s->n--;
	segment_free(seg, delete_file);
}

/* Delete what is wholly in Kafka. A growing segment goes too: the next event gets a new one. */
static void sweep(struct spool *s)
{
	for (size_t i = 0; i < s->n;) {
		if (segment_is_done(s->segments[i]))
			remove_segment(s, i, true);
		else
			i++;
	}
}

/* --- opening ---------------------------------------------------------------------------------- */

static void make_dir(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		die("the folder %s cannot be made: %s; SPOOL_DIR names where events are kept "
		    "while Kafka is down (off: nowhere)",
		    path, strerror(errno));
}

static int take_lock(const char *dir)
{
	char *path = xasprintf("%s/lock", dir);
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s cannot be opened: %s; SPOOL_DIR must be writable", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		die("another process uses the spool in %s; give each process a SPOOL_DIR of its "
		    "own",
		    dir);
	free(path);
	return fd;
}

static bool parse_name(const char *name, uint64_t *number)
{
	char *end;
	*number = strtoull(name, &end, 16);
	return end == name + NAME_LEN && strcmp(end, SEGMENT_SUFFIX) == 0;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The numbers of the segments there are, ascending; the caller frees them. */
static uint64_t *list_numbers(const char *path, size_t *n)
{
	uint64_t *numbers = NULL, number;
	DIR *dir = opendir(path);
	if (dir == NULL)
		die("the spool in %s cannot be read: %s", path, strerror(errno));
	*n = 0;
	const struct dirent *entry;
	while ((entry = readdir(dir)) != NULL) {
		if (!parse_name(entry->d_name, &number))
			continue;
		numbers = xrealloc(numbers, (*n + 1) * sizeof(*numbers));
		numbers[(*n)++] = number;
	}
	closedir(dir);
	if (numbers != NULL)
		qsort(numbers, *n, sizeof(*numbers), compare_numbers);
	return numbers;
}

/* Count a segment's records and put aside what is damaged; the end of the last one may be torn. */
static void examine(struct spool *s, struct segment *seg, bool is_last)
{
	struct spool_record record;
	size_t at = 0, found;
	if (!segment_load(seg, seg->read_at, &s->window))
		die("the spool's segment %s cannot be read: %s", seg->path, strerror(errno));
	const struct buf *w = &s->window;
	while (spool_record_find(w->data, w->len, at, &record, &found)) {
		if (found > at)
			quarantine(s, seg, seg->read_at + at, w->data + at, found - at);
		at = found + spool_record_size(record.value_len);
		seg->records++;
	}
	s->records += seg->records;
	if (at == w->len)
		return;
	if (!is_last || !spool_record_is_torn(w->data + at, w->len - at))
		quarantine(s, seg, seg->read_at + at, w->data + at, w->len - at);
	if (!is_last)
		return;
	log_warn(
		"spool",
		"the last write before a crash was not finished, dropping it| segment=%s bytes=%zu",
		seg->path, w->len - at);
	const uint64_t whole = seg->read_at + at;
	s->bytes -= seg->size - whole;
	if (!segment_cut(seg, whole))
		die("the spool's segment %s cannot be cut: %s", seg->path, strerror(errno));
}

static void adopt(struct spool *s, uint64_t number, bool is_last)
{
	bool head_damaged, foreign;
	const char *dir = s->cfg->spool_dir;
	struct segment *seg = segment_adopt(dir, number, &s->deployment, &head_damaged, &foreign);
	if (seg == NULL)
		die("the spool's segment %016" PRIx64 " in %s cannot be read: %s", number, dir,
		    strerror(errno));
	if (foreign)
		die("the spool in %s holds events of another deployment (another database): let "
		    "that one drain it, or move %s away",
		    dir, seg->path);
	if (head_damaged)
		log_error("spool", "a segment's header is damaged, reading on| segment=%s",
			  seg->path);
	add_segment(s, seg);
	examine(s, seg, is_last);
}

struct spool *spool_open(const struct config *cfg, struct metrics *metrics,
			 const struct uuid *deployment)
{
	size_t n;
	struct spool *s = xcalloc(1, sizeof(*s));
	s->cfg = cfg;
	s->metrics = metrics;
	s->deployment = *deployment;
	s->next_number = 1;
	make_dir(cfg->spool_dir);
	s->lock_fd = take_lock(cfg->spool_dir);
	s->quarantine = xasprintf("%s/quarantine", cfg->spool_dir);
	make_dir(s->quarantine);
	uint64_t *numbers = list_numbers(cfg->spool_dir, &n);
	for (size_t i = 0; i < n; i++)
		adopt(s, numbers[i], i + 1 == n);
	free(numbers);
	sweep(s);
	if (s->records > 0)
		log_info("spool", "events are waiting for Kafka| records=%" PRIu64 " segments=%zu",
			 s->records, s->n);
	return s;
}

void spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	if (s->active != NULL)
		segment_seal(s->active);
	while (s->n > 0)
		remove_segment(s, s->n - 1, false);
	close(s->lock_fd);
	buf_release(&s->group);
	buf_release(&s->window);
	free(s->segments);
	free(s->quarantine);
	free(s);
}

/* --- appending -------------------------------------------------------------------------------- */

static bool has_room(const struct spool *s, size_t len)
{
	struct statvfs fs;
	const uint64_t wanted = s->group.len + len;
	if (clock_mono_ns() < s->refuse_until_ns ||
	    s->bytes + wanted > (uint64_t)s->cfg->spool_max_bytes)
		return false;
	return statvfs(s->cfg->spool_dir, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * fs.f_frsize >
		       (uint64_t)s->cfg->spool_min_free_bytes + wanted;
}

bool spool_has_room(struct spool *s)
{
	return has_room(s, USUAL_LEN);
}

enum err spool_append(struct spool *s, const struct spool_record *record)
{
	if (!has_room(s, spool_record_size(record->value_len)))
		return ERR_BUSY;
	spool_record_write(record, &s->group);
	s->group_records++;
	return ERR_OK;
}

static void seal_active(struct spool *s)
{
	segment_seal(s->active);
	s->active = NULL;
	sweep(s);
}

static int open_active(struct spool *s)
{
	if (s->active != NULL && s->active->size >= (uint64_t)s->cfg->spool_segment_bytes)
		seal_active(s);
	if (s->active != NULL)
		return 0;
	s->active = segment_create(s->cfg->spool_dir, s->next_number++, &s->deployment,
				   (uint64_t)clock_wall_ms());
	if (s->active == NULL)
		return errno;
	add_segment(s, s->active);
	return 0;
}

/* One attempt; 0 or errno. The segment is sealed if it failed. */
static int write_group(struct spool *s)
{
	int e = open_active(s);
	if (e == 0)
		e = segment_append(s->active, &s->group);
	if (e == 0) {
		s->bytes += s->group.len;
		s->records += s->group_records;
		s->active->records += s->group_records;
		return 0;
	}
	metrics_add(s->metrics, M_SPOOL_FAILURES, 1);
	log_error("spool",
		  "a group of events could not be made durable| records=%" PRIu64 " error=\"%s\"",
		  s->group_records, strerror(e));
	if (s->active != NULL)
		seal_active(s);
	return e;
}

enum err spool_commit(struct spool *s)
{
	if (s->group_records == 0)
		return ERR_OK;
	int e = write_group(s);
	if (e != 0 && e != ENOSPC && e != EDQUOT && e != EFBIG)
		e = write_group(s); /* see sync_note */
	if (e != 0)
		s->refuse_until_ns = clock_mono_ns() + RETRY_NS;
	else
		metrics_add(s->metrics, M_SPOOL_APPENDED, (int64_t)s->group_records);
	buf_clear(&s->group);
	s->group_records = 0;
	return e == 0 ? ERR_OK : ERR_DOWN;
}

/* --- draining --------------------------------------------------------------------------------- */

/* Have what is left of a segment in the window. False: its file cannot be read now. */
static bool fill_window(struct spool *s, const struct segment *seg)
{
	if (s->window_number == seg->number && seg->read_at < s->window_from + s->window.len)
		return true;
	s->window_number = 0;
	if (!segment_load(seg, seg->read_at, &s->window)) {
		metrics_add(s->metrics, M_SPOOL_FAILURES, 1);
		log_error("spool", "a segment cannot be read, trying again| segment=%s", seg->path);
		return false;
	}
	s->window_number = seg->number;
	s->window_from = seg->read_at;
	return true;
}

/* The next record of one segment; whatever stands before it is damaged. */
static bool next_of(struct spool *s, struct segment *seg, struct spool_record *out)
{
	const struct buf *w = &s->window;
	const size_t at = seg->read_at - s->window_from;
	size_t found = w->len;
	const bool ok = spool_record_find(w->data, w->len, at, out, &found);
	if (!ok)
		found = w->len;
	if (found > at)
		quarantine(s, seg, seg->read_at, w->data + at, found - at);
	seg->read_at = s->window_from + found + (ok ? spool_record_size(out->value_len) : 0);
	return ok;
}

bool spool_next(struct spool *s, struct spool_record *out, uint64_t *segment)
{
	for (size_t i = 0; i < s->n; i++) {
		struct segment *seg = s->segments[i];
		while (seg->read_at < seg->size) {
			if (!fill_window(s, seg))
				return false;
			if (!next_of(s, seg, out))
				continue;
			seg->outstanding++;
			*segment = seg->number;
			return true;
		}
	}
	sweep(s);
	return false;
}

void spool_done(struct spool *s, uint64_t segment)
{
	for (size_t i = 0; i < s->n; i++) {
		struct segment *seg = s->segments[i];
		if (seg->number != segment)
			continue;
		ASSERT(seg->outstanding > 0 && s->records > 0);
		seg->outstanding--;
		seg->records--;
		s->records--;
		metrics_add(s->metrics, M_SPOOL_DRAINED, 1);
		if (segment_is_done(seg))
			remove_segment(s, i, true);
		return;
	}
	ASSERT(!"a segment that is there");
}

uint64_t spool_records(const struct spool *s)
{
	return s->records;
}

uint64_t spool_bytes(const struct spool *s)
{
	return s->bytes;
}
