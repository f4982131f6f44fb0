/*
 * Binary COPY fields: a 32-bit length and the value, in network byte order.
 *
 * Runs on the writers.
 */
#include "store/copy_rows.h"

#include <arpa/inet.h>
#include <endian.h>

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
