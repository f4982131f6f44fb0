/*
 * Structured log lines on standard error: time, level, thread, module, sentence, then key=value.
 *
 * Overview: `2026-01-02T03:04:05.678Z info writer-0 postgres "connection lost, reconnecting"
 * host=db`. Nothing is logged per request above debug. A call site that repeats is limited to
 * LOG_BURST lines in LOG_INTERVAL_S seconds; the next line that passes carries left_out=N. Debug
 * lines are not limited. Control characters are escaped, so that a call is always one line.
 * Threads: any. The level, the one lock around writing and each thread's name are the only
 * file-level state.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdatomic.h>

#include "util/base.h"

#define LOG_BURST 5
#define LOG_INTERVAL_S 10

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Per call site: the current interval with the lines that passed in it, and how many were left out.
 */
struct log_site {
	_Atomic uint64_t window;
	_Atomic uint32_t left_out;
};

/** @thread main, before threads start */
void log_set_level(enum log_level level);

/** Read "debug", "info", "warn", "error". */
bool log_level_parse(const char *text, enum log_level *out) MUST_CHECK;

/**
 * Name the calling thread in its log lines, and for the kernel, cut to 15 characters (but not the
 * main thread, whose kernel name is the name of the process).
 */
void log_set_thread_name(const char *name);

/**
 * Write one line. @module is a short word ("postgres"); @fmt gives the sentence, and after a '|'
 * character the key=value part, e.g. "batch committed| partition=%d events=%u".
 */
void log_write(struct log_site *site, enum log_level level, const char *module, const char *fmt,
	       ...) PRINTF_LIKE(4, 5);

#define LOG_AT(level, module, ...)                                                                 \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		log_write(&log_site_, level, module, __VA_ARGS__);                                 \
	} while (0)
#define log_debug(module, ...) LOG_AT(LOG_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...) LOG_AT(LOG_INFO, module, __VA_ARGS__)
#define log_warn(module, ...) LOG_AT(LOG_WARN, module, __VA_ARGS__)
#define log_error(module, ...) LOG_AT(LOG_ERROR, module, __VA_ARGS__)

#endif
