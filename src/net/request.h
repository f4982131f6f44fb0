/*
 * One HTTP request: its head, its body read safely, and what is known about its answer.
 *
 * Usage: request_open(&r, w, conn), then a handler that reads the body if it wants and answers
 * exactly once (response.h), then request_close(&r). Functions that return false have already
 * answered. Threads: the worker that serves the request. Ownership: everything is borrowed from the
 * connection and the worker for the time of the request.
 */
#ifndef NET_REQUEST_H
#define NET_REQUEST_H

#include "net/framing.h"
#include "net/routes.h"
#include "util/json.h"
#include "util/uuid.h"

struct mg_connection;
struct mg_request_info;
struct worker;

struct request {
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct worker *w;
	enum route_label label;
	const char *path_id; /* what stands for {id} in the route's path, if it has one */
	size_t path_id_len;
	struct framing framing;
	uint64_t start_ns;  /* monotonic */
	int64_t now_ms;	    /* wall clock, at the start */
	bool head;	    /* HEAD: the answer's body is left out */
	bool close;	    /* the connection ends with this request */
	bool body_done;	    /* the body was read to its end */
	bool holds_big;	    /* counted among the big bodies */
	bool deferred;	    /* another thread answers it, see deferral.h */
	int status;	    /* of the answer; 0 before it was sent */
	const char *id_key; /* NULL, or the name of the event's id, which a 503 then carries */
	struct uuid id;
};

/** Read the head. False: it was refused. @thread http */
bool request_open(struct request *r, struct worker *w, struct mg_connection *conn) MUST_CHECK;

/** Give back what the request held. @thread http */
void request_close(struct request *r);

/** Answer 415 unless the media type is one of the two (@ndjson: also NDJSON) or missing. @thread
 * http */
bool request_check_media(struct request *r, bool ndjson) MUST_CHECK;

/** Read the body, unpacked, into the worker's `body`; 413 beyond @limit, also once unpacked.
 * @thread http */
bool request_read_body(struct request *r, size_t limit) MUST_CHECK;

/** The worker's body as JSON; the tree is the caller's. NULL: answered 400. @thread http */
cJSON *request_parse_json(struct request *r) MUST_CHECK;

#endif
