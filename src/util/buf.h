/*
 * A growing string for writing JSON, Prometheus text and log lines.
 *
 * Usage: struct buf b = BUF_INIT; buf_addf(&b, ...); use b.data, b.len; buf_release(&b).
 * Overview: data is always terminated by a NUL that len does not count once something was added.
 * Threads: a buf belongs to one thread at a time.
 * Ownership: data belongs to the buf; buf_detach moves it to the caller, who frees it with free().
 */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdarg.h>

#include "util/base.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

/** Free the memory; the buf is empty and usable again. */
void buf_release(struct buf *b);

/** Make it empty, keep the memory. */
void buf_clear(struct buf *b);

/** Make room for @extra more bytes and the NUL. */
void buf_reserve(struct buf *b, size_t extra);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_addv(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/** Add @s as a JSON string with its quotes: escapes ", \ and control characters, leaves UTF-8 as it
 * is. */
void buf_add_json(struct buf *b, const char *s, size_t len);

/** Add @s as a cell of CSV (RFC 4180): in quotes if a comma, a quote or the end of a line is in it.
 */
void buf_add_csv(struct buf *b, const char *s);

/** Put @data before what stands at @at. */
void buf_insert(struct buf *b, size_t at, const void *data, size_t len);

/** Take the string out ("" if nothing was added); the buf is empty afterwards. */
char *buf_detach(struct buf *b) MUST_CHECK;

#endif
