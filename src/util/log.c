/*
 * The logger: one call, one line, one write(2).
 *
 * Threads: any. File-level state: the level, set by main before threads start, the lock that keeps
 * lines whole where the kernel takes a line in pieces, and each thread's own name.
 *
 * Rate limit: a call site holds one word, the time at which its interval began with the number of
 * lines that passed since in the lowest byte. One compare-and-swap decides, so exactly LOG_BURST
 * lines pass in an interval however many threads call. Relaxed order is enough: nothing else is
 * published by these words.
 */
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/datetime.h"

#define THREAD_NAME_MAX 32
#define COUNT_MASK 0xffull /* of log_site.window; the rest is the interval's start */

_Static_assert(LOG_BURST <= COUNT_MASK, "the number of lines fits below the time");

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum log_level min_level = LOG_INFO;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char thread_name[THREAD_NAME_MAX] = "-";

/* May a line pass now? Counts it either way. */
static bool site_admit(struct log_site *site)
{
	const uint64_t now = clock_mono_ns() & ~COUNT_MASK;
	uint64_t old = atomic_load_explicit(&site->window, memory_order_relaxed);
	uint64_t new;

	do {
		const uint64_t start = old & ~COUNT_MASK;
		if (old == 0 || (now > start && now - start >= LOG_INTERVAL_S * NS_PER_S)) {
			new = now | 1;
		} else if ((old & COUNT_MASK) < LOG_BURST) {
			new = old + 1;
		} else {
			atomic_fetch_add_explicit(&site->left_out, 1, memory_order_relaxed);
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&site->window, &old, new, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* Copy text so that it stays on its line; inside quotes the quotes and backslashes too. */
static void add_escaped(struct buf *line, const char *text, size_t len, bool quoted)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];
		if (quoted && (c == '"' || c == '\\'))
			buf_addf(line, "\\%c", c);
		else if (c == '\n')
			buf_adds(line, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(line, "\\x%02x", c);
		else
			buf_addc(line, (char)c);
	}
}

/* The sentence in quotes, then what stands behind the first '|'. */
static void add_message(struct buf *line, const char *message)
{
	size_t sentence_len = strcspn(message, "|");
	const char *fields = message + sentence_len;

	if (*fields == '|')
		fields++;
	fields += strspn(fields, " ");
	while (sentence_len > 0 && message[sentence_len - 1] == ' ')
		sentence_len--;
	buf_addc(line, '"');
	add_escaped(line, message, sentence_len, true);
	buf_addc(line, '"');
	if (*fields != '\0') {
		buf_addc(line, ' ');
		add_escaped(line, fields, strlen(fields), false);
	}
}

/* The system's time, not the shifted one: a log is read beside the logs of other programs. */
static void add_time(struct buf *line)
{
	char text[RFC3339_TEXT_LEN];

	datetime_write(clock_to_system_ms(clock_wall_ms()), text);
	buf_add(line, text, sizeof(text));
}

/* A line that standard error does not take is lost: there is no better place to complain. */
static void write_line(const struct buf *line)
{
	size_t done = 0;

	pthread_mutex_lock(&write_lock);
	while (done < line->len) {
		const ssize_t n = write(STDERR_FILENO, line->data + done, line->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	pthread_mutex_unlock(&write_lock);
}

void log_set_level(enum log_level level)
{
	min_level = level;
}

bool log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* The kernel's name of the main thread is the name of the process and stays. */
void log_set_thread_name(const char *name)
{
	snprintf(thread_name, sizeof(thread_name), "%s", name);
	if (syscall(SYS_gettid) != getpid())
		prctl(PR_SET_NAME, name);
}

void log_write(struct log_site *site, enum log_level level, const char *module, const char *fmt,
	       ...)
{
	const int saved_errno = errno;
	struct buf message = BUF_INIT, line = BUF_INIT;
	va_list args;

	if (level < min_level || (level != LOG_DEBUG && !site_admit(site)))
		return;

	va_start(args, fmt);
	buf_addv(&message, fmt, args);
	va_end(args);

	add_time(&line);
	buf_addf(&line, " %s %s %s ", level_names[level], thread_name, module);
	add_message(&line, message.data);
	const uint32_t left_out =
		atomic_exchange_explicit(&site->left_out, 0, memory_order_relaxed);
	if (left_out > 0)
		buf_addf(&line, " left_out=%u", left_out);
	buf_addc(&line, '\n');
	write_line(&line);

	buf_release(&line);
	buf_release(&message);
	errno = saved_errno;
}
