/*
 * The few words every file of the program uses: assertions, allocation that cannot fail, error
 * codes.
 *
 * Overview: ASSERT() is for bugs and is always compiled in. die() is for a wrong environment at
 * start. `enum err` is for what may fail while running; ERR_LIST is the only list of such codes.
 * Threads: everything here may be called from any thread.
 * Ownership: x*alloc results belong to the caller and are freed with free().
 */
#ifndef UTIL_BASE_H
#define UTIL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CACHE_LINE 64

/* A bug: prints the expression, file and line, and aborts. */
#define ASSERT(expr) ((expr) ? (void)0 : assert_failed(#expr, __FILE__, __LINE__))

/* code, retriable?, text */
#define ERR_LIST(X)                                                                                \
	X(ERR_OK, false, "no error")                                                               \
	X(ERR_INVALID, false, "invalid input")                                                     \
	X(ERR_NOT_FOUND, false, "not found")                                                       \
	X(ERR_FENCED, false, "another process owns the partition")                                 \
	X(ERR_DOWN, true, "the service cannot be reached")                                         \
	X(ERR_TIMEOUT, true, "the deadline passed")                                                \
	X(ERR_BUSY, true, "a queue is full")                                                       \
	X(ERR_RETRY, true, "a transaction must be repeated")                                       \
	X(ERR_UNKNOWN, true, "the outcome of a commit is unknown")                                 \
	X(ERR_REFUSED, false, "the service refused the data")                                      \
	X(ERR_FAILED, false, "the service refused the request")

#define ERR_ENUM(code, retriable, text) code,
enum err { ERR_LIST(ERR_ENUM) };
#undef ERR_ENUM

/** The sentence part that names @e. Static storage. @thread any */
const char *err_text(enum err e);

/** May the same call succeed later without a change? @thread any */
bool err_is_retriable(enum err e);

/** Print one sentence to standard error and exit with status 1. @thread main, before threads start
 */
NORETURN void die(const char *fmt, ...) PRINTF_LIKE(1, 2);

NORETURN void assert_failed(const char *expr, const char *file, int line);

/** malloc, calloc, realloc, strdup, strndup, asprintf that end the process when memory is gone.
 * @thread any */
void *xmalloc(size_t size) MUST_CHECK;
void *xcalloc(size_t n, size_t size) MUST_CHECK;
void *xrealloc(void *p, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xstrndup(const char *s, size_t len) MUST_CHECK;
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

/** calloc aligned to a cache line; freed with free(). @thread any */
void *xcalloc_aligned(size_t n, size_t size) MUST_CHECK;

#endif
