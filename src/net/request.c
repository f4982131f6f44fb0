/*
 * Reading a request's body within its limits, and the way from its head to its end.
 *
 * Runs on CivetWeb's workers.
 *
 * limit_note: three limits hold at once. Bytes: by Content-Length before anything is read, by
 * counting for chunks and for what unpacks. Time: HTTP_REQUEST_TIMEOUT_MS for the whole body, kept
 * by the reaper, since mg_read() waits anew for every byte. Memory: at most BIG_BODIES_MAX bodies
 * beyond BODY_MAX_BYTES at a time. Whenever a body was not read to its end the connection is
 * closed, so its rest is never taken for a request.
 */
#include "net/request.h"

#include <civetweb.h>
#include <string.h>

#include "net/gunzip.h"
#include "net/response.h"
#include "net/state.h"
#include "net/worker.h"
#include "util/clock.h"

#define READ_STEP 65536
#define CHUNK_STEP 1024 /* mg_read() comes back only with all of it, however slowly it comes */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

enum body_result {
	BODY_OK,
	BODY_TOO_LARGE,
	BODY_BUSY,
	BODY_CUT_OFF,
	BODY_BAD_CHUNK,
	BODY_LATE,
	BODY_BAD_GZIP
};

static bool hold_big(struct request *r)
{
	_Atomic int *held = &r->w->server->big_bodies;
	if (r->holds_big)
		return true;
	if (atomic_fetch_add_explicit(held, 1, memory_order_relaxed) < BIG_BODIES_MAX) {
		r->holds_big = true;
		return true;
	}
	atomic_fetch_sub_explicit(held, 1, memory_order_relaxed);
	return false;
}

/* Read up to @want bytes behind what @b holds; the result is mg_read's. */
static int read_step(struct request *r, struct buf *b, size_t want)
{
	const size_t step = r->framing.body == BODY_CHUNKED ? CHUNK_STEP : READ_STEP;
	if (want > step)
		want = step;
	buf_reserve(b, want);
	const int n = mg_read(r->conn, b->data + b->len, want);
	if (n > 0)
		b->len += (size_t)n;
	b->data[b->len] = '\0';
	return n;
}

static enum body_result read_raw(struct request *r, size_t limit, struct buf *b)
{
	const struct framing *f = &r->framing;
	const size_t small = (size_t)r->w->deps->cfg->body_max_bytes;
	for (;;) {
		if (b->len > limit)
			return BODY_TOO_LARGE;
		if (b->len > small && !hold_big(r))
			return BODY_BUSY;
		if (f->body == BODY_LENGTH && b->len == f->length)
			return BODY_OK;
		/* One byte beyond the limit shows that chunks exceed it. */
		const int n = read_step(
			r, b, f->body == BODY_LENGTH ? f->length - b->len : limit + 1 - b->len);
		if (n == 0 && f->body == BODY_CHUNKED)
			return BODY_OK;
		if (n <= 0)
			return f->body == BODY_CHUNKED ? BODY_BAD_CHUNK : BODY_CUT_OFF;
		if (reaper_is_over(
			    &r->w->watch)) /* this step was cut short, or the next would be */
			return BODY_LATE;
	}
}

static enum body_result read_watched(struct request *r, size_t limit, struct buf *b)
{
	struct worker *w = r->w;
	const uint64_t timeout_ns = (uint64_t)w->deps->cfg->http_request_timeout_ms * NS_PER_MS;
	const uint64_t deadline_ns = r->start_ns + timeout_ns;
	buf_clear(b);
	if (r->framing.body == BODY_NONE)
		return BODY_OK;
	if (r->framing.body == BODY_LENGTH && r->framing.length > limit)
		return BODY_TOO_LARGE;
	if (r->framing.expect_continue)
		(void)mg_write(r->conn, CONTINUE, strlen(CONTINUE));
	reaper_watch(&w->watch, deadline_ns);
	enum body_result result = read_raw(r, limit, b);
	const bool late = reaper_unwatch(&w->watch) || clock_mono_ns() >= deadline_ns;
	if (late && (result == BODY_CUT_OFF || result == BODY_BAD_CHUNK))
		result = BODY_LATE;
	return result;
}

/* Most bodies are small: a big one is unpacked anew once it may be held. */
static enum body_result unpack(struct request *r, size_t limit, const struct buf *packed,
			       struct buf *out)
{
	const size_t small = (size_t)r->w->deps->cfg->body_max_bytes;
	const size_t first = limit < small || r->holds_big ? limit : small;
	enum gunzip_result result = gunzip(packed->data, packed->len, first, out);
	if (result == GUNZIP_TOO_LARGE && first < limit) {
		if (!hold_big(r))
			return BODY_BUSY;
		result = gunzip(packed->data, packed->len, limit, out);
	}
	if (result == GUNZIP_TOO_LARGE)
		return BODY_TOO_LARGE;
	return result == GUNZIP_OK ? BODY_OK : BODY_BAD_GZIP;
}

static void refuse_body(struct request *r, enum body_result result, size_t limit)
{
	switch (result) {
	case BODY_OK:
		return;
	case BODY_TOO_LARGE:
		response_error(r, 413, "too_large", NULL, "the body is larger than %zu bytes",
			       limit);
		return;
	case BODY_BUSY:
		response_error(r, 503, "unavailable", NULL,
			       "too many large bodies are being read; repeat the request later");
		return;
	case BODY_CUT_OFF:
		response_error(r, 400, "bad_request", NULL,
			       "the body is shorter than its Content-Length");
		return;
	case BODY_BAD_CHUNK:
		response_error(r, 400, "bad_request", NULL,
			       "the chunks of the body are malformed or cut off");
		return;
	case BODY_LATE:
		response_error(r, 408, "request_timeout", NULL, "the body did not arrive in time");
		return;
	case BODY_BAD_GZIP:
		response_error(r, 400, "bad_request", NULL,
			       "the body is not what its Content-Encoding says: gzip");
		return;
	}
}

bool request_open(struct request *r, struct worker *w, struct mg_connection *conn)
{
	struct framing_error error;
	*r = (struct request){
		.conn = conn,
		.info = mg_get_request_info(conn),
		.w = w,
		.label = ROUTE_OTHER,
		.start_ns = clock_mono_ns(),
		.now_ms = clock_wall_ms(),
	};
	if (framing_read(r->info, &r->framing, &error))
		return true;
	r->close = true;
	response_error(r, error.status, error.code, NULL, "%s", error.message);
	return false;
}

void request_close(struct request *r)
{
	if (r->holds_big)
		atomic_fetch_sub_explicit(&r->w->server->big_bodies, 1, memory_order_relaxed);
	worker_trim(r->w);
}

bool request_check_media(struct request *r, bool ndjson)
{
	const enum media_type media = r->framing.media;
	if (media == MEDIA_NONE || media == MEDIA_JSON || (ndjson && media == MEDIA_NDJSON))
		return true;
	response_error(r, 415, "unsupported_media_type", NULL,
		       "expected Content-Type: application/json%s",
		       ndjson ? " or application/x-ndjson" : "");
	return false;
}

bool request_read_body(struct request *r, size_t limit)
{
	struct worker *w = r->w;
	const bool packed = r->framing.coding == CODING_GZIP && r->framing.body != BODY_NONE;
	if (r->framing.coding == CODING_OTHER) {
		response_error(r, 415, "unsupported_media_type", NULL,
			       "expected Content-Encoding: gzip or identity");
		return false;
	}
	enum body_result result = read_watched(r, limit, packed ? &w->packed : &w->body);
	r->body_done = result == BODY_OK;
	if (result == BODY_OK && packed)
		result = unpack(r, limit, &w->packed, &w->body);
	refuse_body(r, result, limit);
	return result == BODY_OK;
}

cJSON *request_parse_json(struct request *r)
{
	char error[JSON_ERROR_MAX];
	const struct buf *body = &r->w->body;
	cJSON *tree = json_parse(body->len == 0 ? "" : body->data, body->len, error);
	if (tree == NULL)
		response_error(r, 400, "invalid_json", NULL, "the body is not JSON: %s", error);
	return tree;
}
