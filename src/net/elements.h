/*
 * The elements of a JSON array, or the lines of NDJSON, one after the other without building the
 * whole tree.
 *
 * Usage: struct elements e = elements_of_array(text, len); while (elements_next(&e)) use e.text,
 * e.len; if e.error: the array is malformed. Overview: elements are cut at commas outside strings
 * and brackets. Each must then be parsed strictly by itself; together that accepts exactly the
 * arrays of RFC 8259, with memory for one element at a time. NDJSON has no errors of its own; blank
 * lines are skipped. Threads: any. Ownership: everything is borrowed from the text.
 */
#ifndef NET_ELEMENTS_H
#define NET_ELEMENTS_H

#include "util/base.h"

struct elements {
	const char *at;
	const char *end;
	bool is_array;
	const char *text; /* the current element */
	size_t len;
	const char *error; /* NULL, or what is wrong with the array */
	size_t n;	   /* elements so far */
};

struct elements elements_of_array(const char *text, size_t len);
struct elements elements_of_lines(const char *text, size_t len);

/** The next element; false at the end or when the array is malformed. */
bool elements_next(struct elements *e) MUST_CHECK;

/** The first character that is no white space; NUL if there is none. */
char elements_first_char(const char *text, size_t len);

#endif
