/*
 * Chunks.
 *
 * Runs on CivetWeb's workers. mg_write() comes back when the kernel has taken all bytes, or when it
 * took none for request_timeout_ms; a client that takes a few every now and then is noticed here.
 */
#include "net/stream.h"

#include <civetweb.h>

#include "net/response.h"
#include "net/worker.h"
#include "util/clock.h"

#define LAST_CHUNK "0\r\n\r\n"

void stream_begin(struct request *r, const char *content_type, const char *more)
{
	response_send_head(r, content_type, more);
}

/* All of @out, in time? */
static bool send_in_time(struct request *r, const struct buf *out)
{
	const uint64_t timeout_ns = (uint64_t)r->w->deps->cfg->http_request_timeout_ms * NS_PER_MS;
	const uint64_t start_ns = clock_mono_ns();
	return mg_write(r->conn, out->data, out->len) == (int)out->len &&
	       clock_mono_ns() - start_ns <= timeout_ns;
}

bool stream_write(struct request *r, const char *data, size_t len)
{
	struct buf *out = &r->w->out;
	for (size_t at = 0; at < len;) {
		const size_t n = len - at < STREAM_PIECE ? len - at : STREAM_PIECE;
		buf_clear(out);
		buf_addf(out, "%zx\r\n", n);
		buf_add(out, data + at, n);
		buf_adds(out, "\r\n");
		if (!send_in_time(r, out))
			return false;
		at += n;
	}
	return true;
}

bool stream_end(struct request *r)
{
	struct buf *out = &r->w->out;
	buf_clear(out);
	buf_adds(out, LAST_CHUNK);
	return send_in_time(r, out);
}

void stream_cut(struct request *r)
{
	r->close = true;
	mg_disable_connection_keep_alive(r->conn);
}
