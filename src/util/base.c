/*
 * The end of the process in its three forms (a bug, a wrong environment, no memory), and the error
 * texts.
 *
 * Threads: any. There is no state here.
 */
#include "util/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct err_info {
	bool retriable;
	const char *text;
};

#define ERR_ROW(code, retriable, text) [code] = {retriable, text},
static const struct err_info err_infos[] = {ERR_LIST(ERR_ROW)};
#undef ERR_ROW

static NORETURN void out_of_memory(void)
{
	fputs("tyrattribution: out of memory\n", stderr);
	abort();
}

static void *check(void *p)
{
	if (p == NULL)
		out_of_memory();
	return p;
}

static size_t multiply(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory();
	return bytes;
}

const char *err_text(enum err e)
{
	ASSERT((size_t)e < ARRAY_LEN(err_infos));
	return err_infos[e].text;
}

bool err_is_retriable(enum err e)
{
	ASSERT((size_t)e < ARRAY_LEN(err_infos));
	return err_infos[e].retriable;
}

void die(const char *fmt, ...)
{
	va_list args;

	fputs("tyrattribution: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	/* No exit handlers: libraries' ones are not safe while other threads use the libraries. */
	_exit(EXIT_FAILURE);
}

void assert_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "tyrattribution: bug: %s does not hold at %s:%d\n", expr, file, line);
	abort();
}

/* malloc(0) may answer NULL, which is no lack of memory: ask for one byte instead. */
void *xmalloc(size_t size)
{
	return check(malloc(size == 0 ? 1 : size));
}

void *xcalloc(size_t n, size_t size)
{
	const size_t bytes = multiply(n, size);

	return check(calloc(1, bytes == 0 ? 1 : bytes));
}

void *xrealloc(void *p, size_t size)
{
	return check(realloc(p, size == 0 ? 1 : size));
}

char *xstrdup(const char *s)
{
	return check(strdup(s));
}

char *xstrndup(const char *s, size_t len)
{
	return check(strndup(s, len));
}

char *xasprintf(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	ASSERT(len >= 0);

	char *s = xmalloc((size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(s, (size_t)len + 1, fmt, args);
	va_end(args);
	return s;
}

/* Whole cache lines, so that nothing else moves into the last one. */
void *xcalloc_aligned(size_t n, size_t size)
{
	const size_t bytes = multiply(n, size);

	if (bytes > SIZE_MAX - CACHE_LINE)
		out_of_memory();
	const size_t lines = bytes == 0 ? 1 : (bytes + CACHE_LINE - 1) / CACHE_LINE;
	void *p = check(aligned_alloc(CACHE_LINE, lines * CACHE_LINE));
	return memset(p, 0, lines * CACHE_LINE);
}
