/*
 * Segment files: creating, appending, syncing, reading.
 *
 * Runs on the spool actor's thread.
 */
#include "store/spool_segment.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/crc32c.h"
#include "util/log.h"

#define MAGIC "TYRSPOOL"
#define MAGIC_LEN 8
#define VERSION 1u
#define CHECKED_AT 16

struct head {
	char magic[MAGIC_LEN];
	uint32_t version;
	uint32_t crc; /* over what follows */
	uint64_t number;
	struct uuid deployment;
	uint64_t made_ms;
	uint64_t reserved;
};
_Static_assert(sizeof(struct head) == SEGMENT_HEAD_LEN, "the header has no holes");

static uint32_t head_crc(const struct head *h)
{
	return crc32c(0, (const char *)h + CHECKED_AT, sizeof(*h) - CHECKED_AT);
}

static struct segment *new_segment(const char *dir, uint64_t number)
{
	struct segment *s = xcalloc(1, sizeof(*s));
	s->number = number;
	s->path = xasprintf("%s/%016" PRIx64 SEGMENT_SUFFIX, dir, number);
	s->fd = -1;
	s->size = s->read_at = SEGMENT_HEAD_LEN;
	return s;
}

/* 0, or errno. */
static int write_all(int fd, const char *data, size_t len, uint64_t at)
{
	while (len > 0) {
		const ssize_t n = pwrite(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

bool segment_sync_dir(const char *dir)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const bool ok = fsync(fd) == 0;
	const int e = errno;
	close(fd);
	errno = e;
	return ok;
}

static int make_file(struct segment *s, const char *dir, const struct head *head)
{
	char *temporary = xasprintf("%s.new", s->path);
	s->fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int e = s->fd < 0 ? errno : 0;
	if (e == 0)
		e = write_all(s->fd, (const char *)head, sizeof(*head), 0);
	if (e == 0 && fdatasync(s->fd) != 0)
		e = errno;
	if (e == 0 && rename(temporary, s->path) != 0)
		e = errno;
	if (e != 0)
		(void)unlink(temporary);
	else if (!segment_sync_dir(dir))
		e = errno;
	free(temporary);
	return e;
}

struct segment *segment_create(const char *dir, uint64_t number, const struct uuid *deployment,
			       uint64_t now_ms)
{
	struct segment *s = new_segment(dir, number);
	struct head head = {
		.magic = MAGIC,
		.version = htole32(VERSION),
		.number = htole64(number),
		.deployment = *deployment,
		.made_ms = htole64(now_ms),
	};
	head.crc = htole32(head_crc(&head));
	const int e = make_file(s, dir, &head);
	if (e == 0)
		return s;
	segment_free(s, true);
	errno = e;
	return NULL;
}

struct segment *segment_adopt(const char *dir, uint64_t number, const struct uuid *deployment,
			      bool *head_damaged, bool *foreign)
{
	struct segment *s = new_segment(dir, number);
	struct head head;
	struct stat st;
	const int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? pread(fd, &head, sizeof(head), 0) : -1;
	const bool ok = n >= 0 && fstat(fd, &st) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok) {
		segment_free(s, false);
		return NULL;
	}
	*head_damaged = n != (ssize_t)sizeof(head) || memcmp(head.magic, MAGIC, MAGIC_LEN) != 0 ||
			le32toh(head.crc) != head_crc(&head) || le32toh(head.version) != VERSION;
	*foreign = !*head_damaged && uuid_compare(&head.deployment, deployment) != 0;
	s->size = (uint64_t)st.st_size;
	if (s->size < SEGMENT_HEAD_LEN)
		s->read_at = s->size;
	return s;
}

int segment_append(struct segment *s, const struct buf *bytes)
{
	ASSERT(s->fd >= 0);
	const int e = write_all(s->fd, bytes->data, bytes->len, s->size);
	if (e != 0)
		return e;
	if (fdatasync(s->fd) != 0)
		return errno;
	s->size += bytes->len;
	return 0;
}

void segment_seal(struct segment *s)
{
	if (s->fd < 0)
		return;
	if (ftruncate(s->fd, (off_t)s->size) != 0)
		log_warn("spool", "the end of a segment cannot be cut off| path=%s error=\"%s\"",
			 s->path, strerror(errno));
	close(s->fd);
	s->fd = -1;
}

bool segment_cut(struct segment *s, uint64_t size)
{
	if (truncate(s->path, (off_t)size) != 0)
		return false;
	s->size = size;
	return true;
}

bool segment_load(const struct segment *s, uint64_t from, struct buf *out)
{
	ASSERT(from <= s->size);
	size_t left = s->size - from;
	buf_clear(out);
	buf_reserve(out, left);
	const int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && left > 0) {
		const ssize_t n = pread(fd, out->data + out->len, left, (off_t)(from + out->len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->len += (size_t)n;
		left -= (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0 && left == 0;
}

bool segment_is_done(const struct segment *s)
{
	return s->read_at >= s->size && s->outstanding == 0;
}

void segment_free(struct segment *s, bool remove)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (remove)
		(void)unlink(s->path);
	free(s->path);
	free(s);
}
