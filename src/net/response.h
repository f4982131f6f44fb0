/*
 * Answers: head and body in one write, JSON for success and for errors.
 *
 * Usage: out = response_begin(r); buf_add...(out, ...); response_send(r, 200). Or
 * response_error(...). Overview: the Connection field always agrees with what CivetWeb does
 * afterwards. Every error has the form
 * {"status":"error","error":{"code":"...","field":"..."|null,"message":"..."}}.
 * Threads: the worker that serves the request, or who concludes a deferred one (deferral.h).
 * Ownership: the buffer belongs to the worker.
 */
#ifndef NET_RESPONSE_H
#define NET_RESPONSE_H

#include "net/request.h"
#include "util/buf.h"

/** Would an answer end the connection, as the client wants it or because others wait? @thread http
 */
bool response_ends_connection(const struct request *r) MUST_CHECK;

/** An empty buffer for the answer's body (what is in it already is room for the head). @thread http
 */
struct buf *response_begin(struct request *r) MUST_CHECK;

/** Send what was written since response_begin, as application/json. 503 gets Retry-After. @thread
 * http */
void response_send(struct request *r, int status);

/** The same with another Content-Type. @thread http */
void response_send_as(struct request *r, int status, const char *content_type);

/** The same with further fields of the head, each with its line's end, 600 bytes at most. 304
 * leaves the body out. @thread http */
void response_send_more(struct request *r, int status, const char *content_type, const char *more);

/** Send the head of a 200 whose body follows in chunks, by net/stream.h alone. @thread http */
void response_send_head(struct request *r, const char *content_type, const char *more);

/** Answer 400: "field: message", or the message alone where @field is "". @thread http */
void response_refuse(struct request *r, const char *code, const char *field, const char *message);

/** Answer with an error; @field may be NULL. @thread http */
void response_error(struct request *r, int status, const char *code, const char *field,
		    const char *fmt, ...) PRINTF_LIKE(5, 6);

/** 405, with the methods that are allowed. @thread http */
void response_not_allowed(struct request *r, const char *allow);

/** Append "error":{...}, for bodies that hold more than the error. */
void response_add_error(struct buf *out, const char *code, const char *field, const char *message);

/** Append "key":"uuid". */
void response_add_uuid(struct buf *out, const char *key, const struct uuid *u);

#endif
