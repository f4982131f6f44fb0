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

#endif
