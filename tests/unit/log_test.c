/*
 * The logger: the form of a line, levels, escapes, the rate limit, and whole lines from many
 * threads.
 *
 * Standard error goes to a file for the time of a call, and what was written is read back from
 * there.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define THREADS 8
#define LINES 500
#define LINE_START "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static FILE *capture_file;
static int saved_stderr;

static void capture_start(void)
{
	capture_file = tmpfile();
	assert_non_null(capture_file);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_true(dup2(fileno(capture_file), STDERR_FILENO) >= 0);
}

/* What was written since; the caller frees it. */
static char *capture_stop(void)
{
	struct buf b = BUF_INIT;
	char chunk[4096];
	size_t n;

	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	rewind(capture_file);
	while ((n = fread(chunk, 1, sizeof(chunk), capture_file)) > 0)
		buf_add(&b, chunk, n);
	fclose(capture_file);
	return buf_detach(&b);
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("'%s' does not match %s", text, pattern);
	regfree(&regex);
}

static int count_of(const char *text, const char *part)
{
	int count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		count++;
	return count;
}

static int reset(void **state)
{
	(void)state;
	log_set_level(LOG_INFO);
	log_set_thread_name("main");
	return 0;
}

static void test_form_of_a_line(void **state)
{
	(void)state;
	capture_start();
	log_info("postgres", "connection lost, reconnecting| host=%s tries=%d", "db", 3);
	char *text = capture_stop();
	assert_matches(text, LINE_START
		       "info main postgres \"connection lost, reconnecting\" host=db tries=3\n$");
	assert_int_equal(count_of(text, "\n"), 1);
	free(text);

	capture_start();
	log_error("http", "no fields");
	text = capture_stop();
	assert_matches(text, LINE_START "error main http \"no fields\"\n$");
	free(text);

	capture_start();
	log_warn("http", "trailing space  |");
	text = capture_stop();
	assert_matches(text, LINE_START "warn main http \"trailing space\"\n$");
	free(text);
}

static void test_time_is_the_systems(void **state)
{
	const time_t now = time(NULL);
	char year[8];
	struct tm tm;

	(void)state;
	clock_set_offset(-20ll * 365 * 86400000);
	capture_start();
	log_info("test", "shifted");
	char *text = capture_stop();
	clock_set_offset(0);
	gmtime_r(&now, &tm);
	snprintf(year, sizeof(year), "%d", (tm.tm_year + 1900) % 10000);
	assert_int_equal(strncmp(text, year, 4), 0);
	free(text);
}

static void test_stays_on_one_line(void **state)
{
	(void)state;
	capture_start();
	log_info("test", "a \"b\" \\ \n\r\t\x01\x7f é|k=\"v\"\nx=1|2");
	char *text = capture_stop();
	assert_non_null(strstr(
		text, "test \"a \\\"b\\\" \\\\ \\n\\x0d\\x09\\x01\\x7f é\" k=\"v\"\\nx=1|2\n"));
	assert_int_equal(count_of(text, "\n"), 1);
	free(text);
}

static void test_long_line(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, 'x');
	capture_start();
	log_info("test", "%s", b.data);
	char *text = capture_stop();
	assert_non_null(strstr(text, b.data));
	free(text);
	buf_release(&b);
}

static void test_levels(void **state)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	(void)state;
	for (int min = LOG_DEBUG; min <= LOG_ERROR; min++) {
		enum log_level level;
		assert_true(log_level_parse(names[min], &level));
		assert_int_equal(level, min);
		log_set_level(level);
		capture_start();
		log_debug("test", "one");
		log_info("test", "two");
		log_warn("test", "three");
		log_error("test", "four");
		char *text = capture_stop();
		assert_int_equal(count_of(text, "\n"), 4 - min);
		assert_int_equal(strstr(text, "debug main test \"one\"") != NULL, min == LOG_DEBUG);
		assert_non_null(strstr(text, "error main test \"four\""));
		free(text);
	}
	enum log_level level;
	assert_false(log_level_parse("INFO", &level));
	assert_false(log_level_parse("", &level));
	assert_false(log_level_parse("information", &level));
}

static void test_errno_is_kept(void **state)
{
	const int full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(full >= 0);
	capture_start();
	assert_true(dup2(full, STDERR_FILENO) >= 0); /* where each write fails */
	errno = ENOTTY;
	log_info("test", "x");
	assert_int_equal(errno, ENOTTY);
	log_debug("test", "x");
	assert_int_equal(errno, ENOTTY);
	free(capture_stop());
	close(full);
}

static void say(struct log_site *site, enum log_level level)
{
	log_write(site, level, "test", "again| n=1");
}

static void test_repeats_are_limited(void **state)
{
	struct log_site site = {0}, other = {0};

	(void)state;
	capture_start();
	for (int i = 0; i < LOG_BURST + 20; i++)
		say(&site, LOG_ERROR);
	say(&other, LOG_ERROR);
	char *text = capture_stop();
	assert_int_equal(count_of(text, "\n"), LOG_BURST + 1);
	assert_null(strstr(text, "left_out"));
	free(text);

	/* The interval passes: the next line, and only that, says what was left out. */
	atomic_fetch_sub(&site.window, LOG_INTERVAL_S * NS_PER_S);
	capture_start();
	say(&site, LOG_ERROR);
	say(&site, LOG_ERROR);
	text = capture_stop();
	assert_int_equal(count_of(text, "\n"), 2);
	assert_int_equal(count_of(text, "\"again\" n=1 left_out=20\n"), 1);
	assert_int_equal(count_of(text, "left_out"), 1);
	free(text);

	/* The new interval has its own burst, of which two are used. */
	capture_start();
	for (int i = 0; i < 20; i++)
		say(&site, LOG_ERROR);
	text = capture_stop();
	assert_int_equal(count_of(text, "\n"), LOG_BURST - 2);
	free(text);
}

static void test_hidden_lines_do_not_count(void **state)
{
	struct log_site site = {0};

	(void)state;
	log_set_level(LOG_ERROR);
	capture_start();
	for (int i = 0; i < 100; i++)
		say(&site, LOG_WARN);
	say(&site, LOG_ERROR);
	char *text = capture_stop();
	assert_int_equal(count_of(text, "\n"), 1);
	assert_null(strstr(text, "left_out"));
	free(text);
}

static void test_debug_is_not_limited(void **state)
{
	(void)state;
	log_set_level(LOG_DEBUG);
	capture_start();
	for (int i = 0; i < 100; i++)
		log_debug("test", "again");
	char *text = capture_stop();
	assert_int_equal(count_of(text, "\n"), 100);
	free(text);
}

static void *name_thread(void *kernel_name)
{
	log_set_thread_name("a-thread-with-a-long-name");
	prctl(PR_GET_NAME, kernel_name);
	log_info("test", "named");
	return NULL;
}

static void test_thread_names(void **state)
{
	char kernel_name[16] = "", before[16] = "", after[16] = "";
	pthread_t thread;

	(void)state;
	capture_start();
	assert_int_equal(pthread_create(&thread, NULL, name_thread, kernel_name), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	char *text = capture_stop();
	assert_non_null(strstr(text, " info a-thread-with-a-long-name test \"named\"\n"));
	assert_string_equal(kernel_name, "a-thread-with-a");
	free(text);

	prctl(PR_GET_NAME, before);
	log_set_thread_name("other");
	prctl(PR_GET_NAME, after);
	assert_string_equal(before, after);
}

static void *log_lines(void *arg)
{
	struct log_site *site = arg;

	for (int i = 0; i < LINES; i++) {
		log_write(site, LOG_DEBUG, "test",
			  "a line of some length so that pieces would show| i=%d", i);
		log_write(site, LOG_INFO, "test", "limited| i=%d", i);
	}
	return NULL;
}

/* All threads share one site: every debug line is whole, and exactly a burst of the others passes.
 */
static void test_threads(void **state)
{
	struct log_site site = {0};
	pthread_t threads[THREADS];
	int lines = 0, limited = 0;

	(void)state;
	log_set_level(LOG_DEBUG);
	capture_start();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_lines, &site), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	log_write(&site, LOG_DEBUG, "test", "last");
	char *text = capture_stop();

	uint64_t left_out = 0;
	for (char *line = text, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		lines++;
		limited += strstr(line, "\"limited\" i=") != NULL;
		assert_matches(
			line, LINE_START
			"(debug - test \"a line of some length so that pieces would show\" i=|"
			"info - test \"limited\" i=|debug main test \"last\")[0-9]*"
			"( left_out=[0-9]+)?$");
		const char *field = strstr(line, "left_out=");
		left_out += field == NULL ? 0 : strtoull(field + strlen("left_out="), NULL, 10);
	}
	assert_int_equal(limited, LOG_BURST);
	assert_int_equal(lines, THREADS * LINES + LOG_BURST + 1);
	assert_int_equal(left_out, THREADS * LINES - LOG_BURST);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_form_of_a_line, reset),
		cmocka_unit_test_setup(test_time_is_the_systems, reset),
		cmocka_unit_test_setup(test_stays_on_one_line, reset),
		cmocka_unit_test_setup(test_long_line, reset),
		cmocka_unit_test_setup(test_levels, reset),
		cmocka_unit_test_setup(test_errno_is_kept, reset),
		cmocka_unit_test_setup(test_repeats_are_limited, reset),
		cmocka_unit_test_setup(test_hidden_lines_do_not_count, reset),
		cmocka_unit_test_setup(test_debug_is_not_limited, reset),
		cmocka_unit_test_setup(test_thread_names, reset),
		cmocka_unit_test_setup(test_threads, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
