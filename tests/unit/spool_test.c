/*
 * The spool on a real folder: what was committed comes back, whatever happened to the last write,
 * to the disk, or to some bytes in the middle.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/spool.h"
#include "store/spool_segment.h"
#include "util/crc32c.h"

#define KEY "00000000-0000-4000-8000-000000000001"

/* The disk of these tests: so many syncs go well, then so many fail. */
static int syncs_left = -1, failures_left;
static int syncs_failed;

int fdatasync(int fd)
{
	if (syncs_left > 0)
		syncs_left--;
	if (syncs_left == 0 && failures_left > 0) {
		failures_left--;
		syncs_failed++;
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

struct world {
	char dir[64];
	struct config cfg;
	struct metrics_set *metrics;
	struct uuid deployment;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/tyr-spool-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->cfg = (struct config){
		.spool_dir = w->dir,
		.spool_max_bytes = 1 << 20,
		.spool_segment_bytes = 4096,
	};
	w->metrics = metrics_set_new();
	w->deployment.bytes[0] = 7;
	syncs_left = -1;
	failures_left = syncs_failed = 0;
	*state = w;
	return 0;
}

static void empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char *inside = xasprintf("%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.' && unlink(inside) != 0) {
			empty_dir(inside);
			rmdir(inside);
		}
		free(inside);
	}
	closedir(dir);
}

static int teardown(void **state)
{
	struct world *w = *state;
	empty_dir(w->dir);
	rmdir(w->dir);
	metrics_set_free(w->metrics);
	free(w);
	return 0;
}

static struct spool *reopen(const struct world *w, struct spool *s)
{
	spool_close(s);
	return spool_open(&w->cfg, metrics_block_new(w->metrics), &w->deployment);
}

/* Append record number @n; its value tells. */
static enum err append(struct spool *s, unsigned n)
{
	char value[64];
	const int len = snprintf(value, sizeof(value), "{\"n\":%u}", n);
	const struct spool_record record = {
		.kind = n % 2 == 0 ? EVENT_CLICK : EVENT_CONVERSION,
		.key = KEY,
		.value = value,
		.value_len = (uint32_t)len,
	};
	return spool_append(s, &record);
}

static void put(struct spool *s, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++)
		assert_int_equal(append(s, n), ERR_OK);
	assert_int_equal(spool_commit(s), ERR_OK);
}

/* The number of the next record; -1: there is none. Acknowledges it when asked to. */
static int take(struct spool *s, bool done)
{
	struct spool_record record;
	uint64_t segment;
	unsigned n;
	if (!spool_next(s, &record, &segment))
		return -1;
	char *text = xstrndup(record.value, record.value_len);
	assert_int_equal(sscanf(text, "{\"n\":%u}", &n), 1);
	free(text);
	assert_int_equal(record.kind, n % 2 == 0 ? EVENT_CLICK : EVENT_CONVERSION);
	assert_memory_equal(record.key, KEY, UUID_TEXT_LEN);
	if (done)
		spool_done(s, segment);
	return (int)n;
}

static char *segment_path(const struct world *w, uint64_t number)
{
	return xasprintf("%s/%016" PRIx64 SEGMENT_SUFFIX, w->dir, number);
}

static bool has_segment(const struct world *w, uint64_t number)
{
	char *path = segment_path(w, number);
	const bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

static int64_t figure(const struct world *w, enum metric id)
{
	return metrics_sum(w->metrics, id);
}

static void test_crc32c(void **state)
{
	(void)state;
	/* RFC 3720, appendix B.4 */
	char bytes[32] = {0};
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		bytes[i] = (char)i;
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
	assert_int_equal(crc32c(crc32c(0, bytes, 13), bytes + 13, 19), 0x46dd794e);
}

static void test_in_order_and_gone_when_done(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 300);
	assert_int_equal(spool_records(s), 300);
	assert_true(has_segment(w, 1));
	for (int n = 0; n < 300; n++)
		assert_int_equal(take(s, true), n);
	assert_int_equal(take(s, true), -1);
	assert_int_equal(spool_records(s), 0);
	assert_false(has_segment(w, 1));
	put(s, 300, 301); /* a new file after the old one went */
	assert_int_equal(take(s, true), 300);
	spool_close(s);
}

static void test_rolls_and_keeps_until_acknowledged(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	for (unsigned n = 0; n < 400; n += 10)
		put(s, n, n + 10);
	assert_true(has_segment(w, 2));
	for (int n = 0; n < 200; n++)
		assert_int_equal(take(s, n % 2 == 0),
				 n); /* every other one is never acknowledged */
	assert_true(has_segment(w, 1));
	s = reopen(w, s);
	assert_int_equal(spool_records(s), 400); /* so its file comes again, whole */
	for (int n = 0; n < 400; n++)
		assert_int_equal(take(s, true), n);
	assert_int_equal(take(s, true), -1);
	spool_close(s);
}

static void test_uncommitted_is_not_there(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 3);
	assert_int_equal(append(s, 3), ERR_OK);
	for (int n = 0; n < 3; n++)
		assert_int_equal(take(s, false), n);
	assert_int_equal(take(s, false), -1);
	s = reopen(w, s);
	assert_int_equal(spool_records(s), 3);
	spool_close(s);
}

static char *read_file(const char *path, size_t *len)
{
	struct stat st;
	const int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	char *data = xmalloc((size_t)st.st_size + 1);
	*len = (size_t)st.st_size;
	assert_int_equal(read(fd, data, *len), *len);
	close(fd);
	return data;
}

static void write_file(const char *path, const char *data, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* A crash may leave any prefix of the last record, and behind it zeros where the file had grown. */
static void check_torn(const struct world *w, const char *path, const char *data, size_t len)
{
	write_file(path, data, len);
	struct spool *s = reopen(w, NULL);
	for (int n = 0; n < 4; n++)
		assert_int_equal(take(s, false), n);
	assert_int_equal(take(s, false), -1);
	assert_int_equal(spool_records(s), 4);
	put(s, 4, 5); /* and goes on */
	assert_int_equal(take(s, false), 4);
	spool_close(s);
	char *next = segment_path(w, 2);
	assert_int_equal(unlink(next), 0);
	free(next);
}

static void test_torn_tail_at_every_byte(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 4);
	put(s, 4, 5);
	spool_close(s);
	size_t len;
	char *path = segment_path(w, 1);
	char *data = read_file(path, &len);
	const size_t last = len - spool_record_size(strlen("{\"n\":4}"));
	for (size_t cut = last; cut < len; cut++)
		check_torn(w, path, data, cut);
	for (size_t cut = last; cut < last + 4; cut++) {
		memset(data + cut, 0, len - cut);
		check_torn(w, path, data, cut == last ? len : cut);
	}
	assert_int_equal(figure(w, M_SPOOL_QUARANTINED), 0);
	free(data);
	free(path);
}

static void test_damage_in_the_middle(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 5);
	spool_close(s);
	size_t len;
	char *path = segment_path(w, 1);
	char *data = read_file(path, &len);
	const size_t size = spool_record_size(strlen("{\"n\":0}"));
	for (size_t at = 0; at < size; at++) {
		const size_t victim = SEGMENT_HEAD_LEN + 2 * size + at;
		data[victim] ^= 0x10;
		write_file(path, data, len);
		data[victim] ^= 0x10;
		const int64_t before = figure(w, M_SPOOL_QUARANTINED);
		s = reopen(w, NULL);
		assert_int_equal(figure(w, M_SPOOL_QUARANTINED), before + 1);
		assert_int_equal(spool_records(s), 4);
		const int left[] = {0, 1, 3, 4, -1};
		for (int i = 0; i < 5; i++)
			assert_int_equal(take(s, false), left[i]);
		spool_close(s);
		char *kept = xasprintf("%s/quarantine/%016x-%08zx", w->dir, 1,
				       SEGMENT_HEAD_LEN + 2 * size);
		size_t kept_len;
		free(read_file(kept, &kept_len));
		assert_int_equal(kept_len, size); /* one record was put aside, whole */
		assert_int_equal(unlink(kept), 0);
		free(kept);
	}
	free(data);
	free(path);
}

static void test_damaged_last_record_is_kept(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 2);
	spool_close(s);
	size_t len;
	char *path = segment_path(w, 1);
	char *data = read_file(path, &len);
	data[len - 2] ^= 1; /* it was whole once: somebody was told that it is safe */
	write_file(path, data, len);
	s = reopen(w, NULL);
	assert_int_equal(figure(w, M_SPOOL_QUARANTINED), 1);
	assert_int_equal(take(s, false), 0);
	assert_int_equal(take(s, false), -1);
	spool_close(s);
	free(data);
	free(path);
}

static void test_damaged_header_loses_nothing(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 3);
	spool_close(s);
	size_t len;
	char *path = segment_path(w, 1);
	char *data = read_file(path, &len);
	data[20] ^= 1;
	write_file(path, data, len);
	s = reopen(w, NULL);
	for (int n = 0; n < 3; n++)
		assert_int_equal(take(s, true), n);
	spool_close(s);
	free(data);
	free(path);
}

static void test_failed_sync_moves_to_new_pages(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 2);
	syncs_left = 0;
	failures_left = 1;
	put(s, 2, 4); /* the first file's sync fails; a second one takes the group */
	assert_int_equal(syncs_failed, 1);
	assert_int_equal(figure(w, M_SPOOL_FAILURES), 1);
	assert_true(has_segment(w, 1) && has_segment(w, 2));
	s = reopen(w, s);
	assert_int_equal(spool_records(s), 4); /* none doubled: the first was cut back */
	for (int n = 0; n < 4; n++)
		assert_int_equal(take(s, true), n);
	spool_close(s);
}

static void test_dead_disk_refuses_whole_group(void **state)
{
	const struct world *w = *state;
	struct spool *s = reopen(w, NULL);
	put(s, 0, 2);
	syncs_left = 0;
	failures_left = 1000;
	assert_int_equal(append(s, 2), ERR_OK);
	assert_int_equal(spool_commit(s), ERR_DOWN);
	assert_int_equal(append(s, 3), ERR_BUSY); /* refused for a while, at once */
	assert_false(spool_has_room(s));
	failures_left = 0;
	usleep(1100000);
	put(s, 4, 5);
	s = reopen(w, s);
	const int left[] = {0, 1, 4, -1};
	for (int i = 0; i < 4; i++)
		assert_int_equal(take(s, true), left[i]);
	spool_close(s);
}

static void test_bounds(void **state)
{
	struct world *w = *state;
	w->cfg.spool_max_bytes = 65536;
	struct spool *s = reopen(w, NULL);
	unsigned n = 0;
	while (append(s, n) == ERR_OK)
		n++;
	assert_int_equal(spool_commit(s), ERR_OK);
	assert_in_range(n, 900, 1200);
	assert_false(spool_has_room(s));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(take(s, true), i);
	assert_true(spool_has_room(s));
	w->cfg.spool_min_free_bytes = INT64_C(1) << 60; /* more than any disk has */
	assert_int_equal(append(s, 0), ERR_BUSY);
	spool_close(s);
}

/* Does opening end the process with a sentence? */
static bool open_dies(const struct world *w, const struct uuid *deployment)
{
	const pid_t pid = fork();
	if (pid == 0) {
		(void)freopen("/dev/null", "w", stderr);
		struct spool *s = spool_open(&w->cfg, metrics_block_new(w->metrics), deployment);
		_exit(s != NULL ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void test_one_process_and_one_deployment(void **state)
{
	const struct world *w = *state;
	const struct uuid other = {.bytes = {1, 2, 3}};
	struct spool *s = reopen(w, NULL);
	put(s, 0, 1);
	assert_true(open_dies(w, &w->deployment));
	spool_close(s);
	assert_true(open_dies(w, &other));
	assert_false(open_dies(w, &w->deployment));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_crc32c),
		TEST(test_in_order_and_gone_when_done),
		TEST(test_rolls_and_keeps_until_acknowledged),
		TEST(test_uncommitted_is_not_there),
		TEST(test_torn_tail_at_every_byte),
		TEST(test_damage_in_the_middle),
		TEST(test_damaged_last_record_is_kept),
		TEST(test_damaged_header_loses_nothing),
		TEST(test_failed_sync_moves_to_new_pages),
		TEST(test_dead_disk_refuses_whole_group),
		TEST(test_bounds),
		TEST(test_one_process_and_one_deployment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
