/*
 * Writing the members of a JSON object one by one.
 *
 * Usage: buf_addc(&b, '{'); field_int(&b, "n", 1); field_key(&b, "list"); buf_addc(&b, '['); ...
 * Overview: each call puts a comma where something stands before it in the same object or array.
 * Threads: the one that owns the buffer.
 */
#ifndef UTIL_FIELDS_H
#define UTIL_FIELDS_H

#include "util/buf.h"
#include "util/uuid.h"

/** A comma, unless an object or an array has just begun. */
void field_next(struct buf *b);

/** "key": with what field_next() does before it. The value follows. */
void field_key(struct buf *b, const char *key);

void field_null(struct buf *b, const char *key);
void field_bool(struct buf *b, const char *key, bool value);
void field_int(struct buf *b, const char *key, int64_t value);
void field_uuid(struct buf *b, const char *key, const struct uuid *value);

/** A time in milliseconds since 1970 as RFC 3339. */
void field_time(struct buf *b, const char *key, int64_t ms);

/** @value is UTF-8 of @len bytes. */
void field_text(struct buf *b, const char *key, const char *value, size_t len);

/** The same of a string that ends with a NUL; NULL is null. */
void field_string(struct buf *b, const char *key, const char *value);

#endif
