/*
 * The parameters of a query string, one after the other.
 *
 * Usage: struct query q = query_of(text); while (query_next(&q)) use q.name, q.value; if q.broken:
 * refuse. Overview: percent-decoding is strict: % needs two hexadecimal digits, and neither NUL nor
 * text that is not UTF-8 may come out of it. '+' is a space. Empty parts (a=1&&b=2) are skipped.
 * Threads: any. Ownership: name and value belong to the query; query_release frees them.
 */
#ifndef NET_QUERY_H
#define NET_QUERY_H

#include "util/buf.h"

struct query {
	const char *rest; /* borrowed from the caller */
	struct buf name;
	struct buf value;
	bool broken; /* query_next ended at something that cannot be decoded */
};

/** @text may be NULL: no parameters. */
struct query query_of(const char *text);

/** The next parameter; false at the end or when the text is broken. */
bool query_next(struct query *q) MUST_CHECK;

void query_release(struct query *q);

#endif
