/*
 * Writing answers.
 *
 * Runs on CivetWeb's workers, and where deferral.h says. The body is written behind room that is
 * left for the head; the head is then put right before it, so that both leave in one write without
 * being copied together.
 */
#include "net/response.h"

#include <civetweb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/deferral.h"
#include "net/state.h"
#include "net/worker.h"
#include "util/clock.h"

#define HEAD_ROOM 1024
#define MESSAGE_MAX 512
#define ALLOW_MAX 64
#define CHUNKED SIZE_MAX

/* An answer's head while it is written. */
struct head {
	char text[HEAD_ROOM];
	size_t len;
};

static const struct {
	int status;
	const char *line;
} statuses[STATUSES] = {
#define STATUS_ROW(code, reason) [STATUS_##code] = {code, "HTTP/1.1 " #code " " reason "\r\n"},
	STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static size_t index_of(int status)
{
	size_t i = 0;
	while (i < STATUSES && statuses[i].status != status)
		i++;
	ASSERT(i < STATUSES);
	return i;
}

/* See framing.c for what the client wants. */
static bool must_end(const struct request *r)
{
	const struct framing *f = &r->framing;
	return r->close || !f->keep_alive || f->has_trailer ||
	       (f->body != BODY_NONE && !r->body_done) || atomic_load(&r->w->server->draining);
}

/* Decide whether the connection ends here, and tell CivetWeb. That of a deferred request stays
 * open. */
static void decide_connection(struct request *r)
{
	if (r->deferred)
		return;
	const bool ends = must_end(r), busy = !ends && port_lacks(r->w->port) > 0;
	r->close = ends || busy;
	if (busy && r->w->port->is_api)
		metrics_add(r->w->metrics, M_HTTP_CLOSED_BUSY, 1);
	if (r->close)
		mg_disable_connection_keep_alive(r->conn);
}

/* A client that is gone does not get its answer; nothing can be done about it here. */
static void write_out(const struct request *r, const char *data, size_t len)
{
	if (r->deferred)
		deferral_write(r, data, len);
	else
		(void)mg_write(r->conn, data, len);
}

static const char *date_text(struct worker *w, int64_t now_ms)
{
	const time_t now_s = (time_t)(clock_to_system_ms(now_ms) / 1000);
	struct tm tm;
	if (w->date_s != now_s && gmtime_r(&now_s, &tm) != NULL) {
		w->date_s = now_s;
		(void)strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return w->date;
}

/* Formatting would take longer than all else that the producer does for an answer. */
static void add(struct head *h, const char *text)
{
	const size_t len = strlen(text);
	ASSERT(len <= sizeof(h->text) - h->len);
	memcpy(h->text + h->len, text, len);
	h->len += len;
}

static void add_number(struct head *h, size_t n)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;
	*at = '\0';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	add(h, at);
}

/* The fields that say what the body is. */
static void add_entity(struct head *h, const char *content_type, size_t body_len)
{
	add(h, "Content-Type: ");
	add(h, content_type);
	if (body_len == CHUNKED) {
		add(h, "\r\nTransfer-Encoding: chunked\r\n");
		return;
	}
	add(h, "\r\nContent-Length: ");
	add_number(h, body_len);
	add(h, "\r\n");
}

/* Decide the answer's head and count it. @body_len: CHUNKED if it is not known. @more: fields, each
 * with its line's end. */
static void make_head(struct request *r, int status, const char *content_type, size_t body_len,
		      const char *more, struct head *h)
{
	ASSERT(r->status == 0);
	r->status = status;
	const size_t index = index_of(status);
	decide_connection(r);
	h->len = 0;
	add(h, statuses[index].line);
	add(h, "Date: ");
	add(h, date_text(r->w, r->now_ms));
	add(h, "\r\n");
	if (status != 304) /* which speaks of the body that the client has */
		add_entity(h, content_type, body_len);
	add(h, r->close ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
	if (status == 503)
		add(h, "Retry-After: 1\r\n");
	add(h, more);
	add(h, "\r\n");
	atomic_fetch_add_explicit(&r->w->server->counts[r->label][index], 1, memory_order_relaxed);
}

/* @more: further fields, each with its line's end. */
static void send_all(struct request *r, int status, const char *content_type, const char *more)
{
	const struct buf *out = &r->w->out;
	const size_t body_len = out->len - HEAD_ROOM;
	struct head head;
	make_head(r, status, content_type, body_len, more, &head);
	char *start = out->data + HEAD_ROOM - head.len;
	memcpy(start, head.text, head.len);
	const bool bare = r->head || status == 304;
	write_out(r, start, head.len + (bare ? 0 : body_len));
}

static void add_error_body(const struct request *r, struct buf *out, int status, const char *code,
			   const char *field, const char *message)
{
	buf_adds(out, "{\"status\":\"error\",");
	if (status == 503 && r->id_key != NULL) {
		response_add_uuid(out, r->id_key, &r->id);
		buf_addc(out, ',');
	}
	response_add_error(out, code, field, message);
	buf_addc(out, '}');
}

bool response_ends_connection(const struct request *r)
{
	return must_end(r) || port_lacks(r->w->port) > 0;
}

struct buf *response_begin(struct request *r)
{
	struct buf *out = &r->w->out;
	buf_clear(out);
	buf_reserve(out, HEAD_ROOM);
	out->len = HEAD_ROOM;
	return out;
}

void response_send(struct request *r, int status)
{
	send_all(r, status, "application/json", "");
}

void response_send_as(struct request *r, int status, const char *content_type)
{
	send_all(r, status, content_type, "");
}

void response_send_more(struct request *r, int status, const char *content_type, const char *more)
{
	send_all(r, status, content_type, more);
}

void response_send_head(struct request *r, const char *content_type, const char *more)
{
	struct head head;
	make_head(r, 200, content_type, CHUNKED, more, &head);
	(void)mg_write(r->conn, head.text, head.len);
}

void response_error(struct request *r, int status, const char *code, const char *field,
		    const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	add_error_body(r, response_begin(r), status, code, field, message);
	response_send(r, status);
}

void response_refuse(struct request *r, const char *code, const char *field, const char *message)
{
	response_error(r, 400, code, field, "%s%s%s", field, field[0] == '\0' ? "" : ": ", message);
}

void response_not_allowed(struct request *r, const char *allow)
{
	char message[MESSAGE_MAX], field[ALLOW_MAX];
	(void)snprintf(message, sizeof(message), "expected method %s", allow);
	(void)snprintf(field, sizeof(field), "Allow: %s\r\n", allow);
	add_error_body(r, response_begin(r), 405, "method_not_allowed", NULL, message);
	send_all(r, 405, "application/json", field);
}

void response_add_error(struct buf *out, const char *code, const char *field, const char *message)
{
	buf_adds(out, "\"error\":{\"code\":");
	buf_add_json(out, code, strlen(code));
	buf_adds(out, ",\"field\":");
	if (field == NULL || *field == '\0')
		buf_adds(out, "null");
	else
		buf_add_json(out, field, strlen(field));
	buf_adds(out, ",\"message\":");
	buf_add_json(out, message, strlen(message));
	buf_addc(out, '}');
}

void response_add_uuid(struct buf *out, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT_LEN];
	uuid_write(u, text);
	buf_addc(out, '"');
	buf_adds(out, key);
	buf_adds(out, "\":\"");
	buf_add(out, text, sizeof(text));
	buf_addc(out, '"');
}
