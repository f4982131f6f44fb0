/*
 * Rows for COPY ... (FORMAT binary), written field by field (PostgreSQL manual, COPY, "Binary
 * Format").
 *
 * Usage: copy_row(&b, 2); copy_int4(&b, 1); copy_bytes(&b, text, len); then pg_copy_in(pg, SQL_x,
 * &b). Threads: the one that owns the buffer.
 */
#ifndef STORE_COPY_ROWS_H
#define STORE_COPY_ROWS_H

#include "util/buf.h"

/** Begin a row of @fields fields. */
void copy_row(struct buf *rows, int fields);

void copy_int4(struct buf *rows, int32_t v);
void copy_int8(struct buf *rows, int64_t v);

/** A uuid's sixteen bytes, or text. */
void copy_bytes(struct buf *rows, const void *data, size_t len);

/** A timestamptz from milliseconds since 1970. */
void copy_time(struct buf *rows, int64_t ms);

/** A date from days since 1970. */
void copy_date(struct buf *rows, int32_t day);

/** NULL. */
void copy_null(struct buf *rows);

/** A numeric without a fraction. */
void copy_numeric(struct buf *rows, __int128 v);

/**
 * Begin an array of @n elements, which follow as fields; @type is the elements' OID. Its length is
 * known only when they have been written: copy_array_end takes what this answers.
 */
size_t copy_array(struct buf *rows, uint32_t type, uint32_t n) MUST_CHECK;
void copy_array_end(struct buf *rows, size_t begin);

/**
 * Begin an array of rows of the composite type @type, as one binary parameter: rows_add for each,
 * its fields, each behind row_field, then copy_array_end with what rows_add answered; at last
 * rows_end with their number.
 */
void rows_begin(struct buf *rows, uint32_t type);
size_t rows_add(struct buf *rows, int fields) MUST_CHECK;
void rows_end(struct buf *rows, uint32_t n);

/** The type of the field that follows. */
void row_field(struct buf *rows, uint32_t type);

#define PG_OID_INT8 20
#define PG_OID_INT4 23
#define PG_OID_TEXT 25
#define PG_OID_DATE 1082
#define PG_OID_TIMESTAMPTZ 1184
#define PG_OID_NUMERIC 1700
#define PG_OID_UUID 2950

#endif
