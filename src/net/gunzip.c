/*
 * zlib's inflate in steps that never write more than the limit and one byte.
 *
 * Runs on the caller's thread; zlib's state (about 40 KiB) lives on the heap.
 */
#include "net/gunzip.h"

#include <limits.h>
#include <zlib.h>

#define STEP 65536
#define WINDOW_GZIP_ONLY (MAX_WBITS + 16)

/* Inflate one step into @out. */
static int step(z_stream *z, size_t limit, struct buf *out)
{
	const size_t left = limit + 1 - out->len;
	const size_t room = left < STEP ? left : STEP;
	buf_reserve(out, room);
	z->next_out = (Bytef *)out->data + out->len;
	z->avail_out = (uInt)room;
	const int result = inflate(z, Z_NO_FLUSH);
	out->len += room - z->avail_out;
	out->data[out->len] = '\0';
	return result;
}

static enum gunzip_result inflate_all(z_stream *z, size_t limit, struct buf *out)
{
	for (;;) {
		const size_t before = out->len;
		const uInt input = z->avail_in;
		const int result = step(z, limit, out);
		if (out->len > limit)
			return GUNZIP_TOO_LARGE;
		if (result == Z_STREAM_END) {
			if (z->avail_in == 0)
				return GUNZIP_OK;
			if (inflateReset(z) != Z_OK)
				return GUNZIP_BROKEN;
		} else if (result != Z_OK || (out->len == before && z->avail_in == input)) {
			return GUNZIP_BROKEN; /* also: the input ends inside a member */
		}
	}
}

enum gunzip_result gunzip(const char *packed, size_t len, size_t limit, struct buf *out)
{
	z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)packed, .avail_in = (uInt)len};
	ASSERT(len <= UINT_MAX);
	buf_clear(out);
	if (inflateInit2(&z, WINDOW_GZIP_ONLY) != Z_OK)
		return GUNZIP_BROKEN;
	const enum gunzip_result result = inflate_all(&z, limit, out);
	(void)inflateEnd(&z);
	return result;
}
