/*
 * The growing string.
 *
 * Threads: the one that owns the buf. The memory doubles, so adding n bytes one by one costs O(n).
 */
#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_MIN 64

/* The letter behind the backslash for the control characters that have one in JSON, else 0. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t extra)
{
	ASSERT(extra <= SIZE_MAX / 4 && b->len <= SIZE_MAX / 4);
	const size_t wanted = b->len + extra + 1;

	if (wanted <= b->cap)
		return;
	size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
	while (cap < wanted)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len == 0)
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_insert(struct buf *b, size_t at, const void *data, size_t len)
{
	ASSERT(at <= b->len);
	if (len == 0)
		return;
	buf_reserve(b, len);
	memmove(b->data + at + len, b->data + at, b->len - at + 1);
	memcpy(b->data + at, data, len);
	b->len += len;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_addv(b, fmt, args);
	va_end(args);
}

/* Most texts fit into what is there; a longer one is measured first and then written. */
void buf_addv(struct buf *b, const char *fmt, va_list args)
{
	va_list again;

	va_copy(again, args);
	buf_reserve(b, BUF_CAP_MIN);
	const size_t room = b->cap - b->len;
	const int len = vsnprintf(b->data + b->len, room, fmt, args);
	ASSERT(len >= 0);
	if ((size_t)len >= room) {
		buf_reserve(b, (size_t)len);
		vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
	}
	b->len += (size_t)len;
	va_end(again);
}

void buf_add_json(struct buf *b, const char *s, size_t len)
{
	size_t done = 0; /* everything before it is written */

	buf_reserve(b, len + 2);
	buf_addc(b, '"');
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + done, i - done);
		done = i + 1;
		const char letter = short_escape(c);
		if (letter != 0)
			buf_add(b, (const char[]){'\\', letter}, 2);
		else
			buf_addf(b, "\\u%04x", c);
	}
	buf_add(b, s + done, len - done);
	buf_addc(b, '"');
}

void buf_add_csv(struct buf *b, const char *s)
{
	if (s[strcspn(s, ",\"\r\n")] == '\0') {
		buf_adds(b, s);
		return;
	}
	buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"')
			buf_addc(b, '"');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

char *buf_detach(struct buf *b)
{
	buf_reserve(b, 0); /* an empty buf gives "", never NULL */
	char *s = b->data;
	*b = (struct buf)BUF_INIT;
	return s;
}
