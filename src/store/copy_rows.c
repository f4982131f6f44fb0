/*
 * Binary COPY fields: a 32-bit length and the value, in network byte order.
 *
 * Runs on the writers.
 */
#include "store/copy_rows.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "util/datetime.h"

#define PG_EPOCH_MS 946684800000ll /* 2000-01-01, where timestamptz counts from */

void copy_row(struct buf *rows, int fields)
{
	const uint16_t n = htons((uint16_t)fields);
	buf_add(rows, &n, sizeof(n));
}

static void copy_length(struct buf *rows, size_t len)
{
	const uint32_t n = htonl((uint32_t)len);
	buf_add(rows, &n, sizeof(n));
}

void copy_int4(struct buf *rows, int32_t v)
{
	const uint32_t n = htonl((uint32_t)v);
	copy_length(rows, sizeof(n));
	buf_add(rows, &n, sizeof(n));
}

void copy_int8(struct buf *rows, int64_t v)
{
	const uint64_t n = htobe64((uint64_t)v);
	copy_length(rows, sizeof(n));
	buf_add(rows, &n, sizeof(n));
}

void copy_bytes(struct buf *rows, const void *data, size_t len)
{
	copy_length(rows, len);
	buf_add(rows, data, len);
}

void copy_time(struct buf *rows, int64_t ms)
{
	copy_int8(rows, (ms - PG_EPOCH_MS) * 1000);
}

void copy_date(struct buf *rows, int32_t day)
{
	copy_int4(rows, day - (int32_t)(PG_EPOCH_MS / MS_PER_DAY));
}

void copy_null(struct buf *rows)
{
	copy_length(rows, UINT32_MAX);
}

/* Digits to the base of 10000, the first counts that power of it which is their number less one;
 * see numeric_recv in PostgreSQL's numeric.c. */
void copy_numeric(struct buf *rows, __int128 v)
{
	enum { BASE = 10000, MAX_DIGITS = 10 };
	unsigned __int128 left = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	uint16_t fields[4 + MAX_DIGITS];
	int n = 0;
	for (; left > 0; left /= BASE)
		fields[4 + MAX_DIGITS - ++n] = htons((uint16_t)(left % BASE));
	memmove(&fields[4], &fields[4 + MAX_DIGITS - n], (size_t)n * sizeof(*fields));
	fields[0] = htons((uint16_t)n);
	fields[1] = htons((uint16_t)(n > 0 ? n - 1 : 0));
	fields[2] = htons(v < 0 ? 0x4000 : 0);
	fields[3] = 0; /* digits behind the point */
	copy_bytes(rows, fields, (size_t)(4 + n) * sizeof(*fields));
}

/* The manual does not describe arrays; see array_recv in PostgreSQL's arrayfuncs.c. */
size_t copy_array(struct buf *rows, uint32_t type, uint32_t n)
{
	const size_t begin = rows->len;
	const uint32_t head[] = {htonl(0), htonl(n > 0 ? 1 : 0), htonl(0), htonl(type)};
	const uint32_t dimension[] = {htonl(n), htonl(1)};
	buf_add(rows, head, sizeof(head));
	if (n > 0)
		buf_add(rows, dimension, sizeof(dimension));
	return begin;
}

void copy_array_end(struct buf *rows, size_t begin)
{
	const uint32_t len = htonl((uint32_t)(rows->len - begin - sizeof(len)));
	memcpy(&rows->data[begin], &len, sizeof(len));
}

/* See record_recv in PostgreSQL's rowtypes.c for what an element is. */
void rows_begin(struct buf *rows, uint32_t type)
{
	const uint32_t head[] = {htonl(1), htonl(0), htonl(type), htonl(0), htonl(1)};
	buf_clear(rows);
	buf_add(rows, head, sizeof(head));
}

size_t rows_add(struct buf *rows, int fields)
{
	const size_t begin = rows->len;
	const uint32_t head[] = {htonl(0), htonl((uint32_t)fields)};
	buf_add(rows, head, sizeof(head));
	return begin;
}

void rows_end(struct buf *rows, uint32_t n)
{
	const uint32_t count = htonl(n);
	memcpy(&rows->data[3 * sizeof(count)], &count, sizeof(count));
}

void row_field(struct buf *rows, uint32_t type)
{
	copy_length(rows, type);
}
