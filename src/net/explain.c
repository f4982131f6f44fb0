/*
 * The routes that explain and trace.
 *
 * Runs on CivetWeb's workers, which wait here for a query actor. What does not come back in time is
 * the actor's to free.
 */
#include "net/explain.h"

#include <civetweb.h>
#include <stdlib.h>
#include <string.h>

#include "net/query.h"
#include "net/response.h"
#include "net/worker.h"

static bool read_limit(const struct buf *value, uint32_t *out)
{
	if (value->len < 1 || value->len > 4 || strspn(value->data, "0123456789") != value->len)
		return false;
	*out = (uint32_t)strtoul(value->data, NULL, 10);
	return *out <= EXPLAIN_LIMIT_MAX;
}

static bool read_params(struct query *q, uint32_t *limit, struct wish_error *error)
{
	bool seen = false;
	while (query_next(q)) {
		if (strcmp(q->name.data, "limit") != 0)
			return wish_error_set(error, "invalid_field", q->name.data,
					      "unknown parameter; expected limit");
		if (seen)
			return wish_error_set(error, "duplicate_field", "limit",
					      "stands twice; expected it once");
		seen = true;
		if (!read_limit(&q->value, limit))
			return wish_error_set(error, "invalid_field", "limit",
					      "expected a number from 0 to 1000");
	}
	return !q->broken || wish_error_set(error, "invalid_field", "",
					    "the query string is not percent-encoded UTF-8");
}

bool explain_wish_read(const char *query, uint32_t *limit, struct wish_error *error)
{
	struct query q = query_of(query);
	*limit = EXPLAIN_LIMIT_DEFAULT;
	const bool ok = read_params(&q, limit, error);
	query_release(&q);
	return ok;
}

static bool read_id(struct request *r, const char *key, struct uuid *out)
{
	if (uuid_parse(r->path_id, r->path_id_len, out))
		return true;
	response_error(r, 400, "invalid_field", key, "%s: expected a UUID in the path", key);
	return false;
}

void explain_serve(struct request *r)
{
	struct wish_error error;
	struct uuid id;
	uint32_t limit;
	if (!read_id(r, "conversion_id", &id))
		return;
	if (!explain_wish_read(r->info->query_string, &limit, &error)) {
		response_refuse(r, error.code, error.field, error.message);
		return;
	}
	struct msg *m = msg_new(MSG_EXPLAIN, 0);
	m->explain.explanation = explanation_new(&id, limit);
	struct msg *answer = worker_ask_query(r->w, &m, 0);
	switch (answer == NULL ? EXPLAIN_FAILED : answer->explain.explanation->status) {
	case EXPLAIN_OK:
		explain_write(answer->explain.explanation, response_begin(r));
		response_send(r, 200);
		break;
	case EXPLAIN_UNKNOWN:
		response_error(r, 404, "unknown_conversion", "conversion_id",
			       "no conversion of this id is stored; one that was accepted a moment "
			       "ago may not be processed yet");
		break;
	case EXPLAIN_FAILED:
		response_error(r, 503, "unavailable", NULL, "the conversion cannot be read now");
		break;
	}
	msg_free(answer);
}

void trace_serve(struct request *r)
{
	struct uuid id;
	if (!read_id(r, "id", &id))
		return;
	struct msg *m = msg_new(MSG_TRACE, 0);
	m->trace.trace = trace_new(&id);
	struct msg *answer = worker_ask_query(r->w, &m, 0);
	switch (answer == NULL ? TRACE_FAILED : answer->trace.trace->status) {
	case TRACE_OK:
		trace_write(answer->trace.trace, response_begin(r));
		response_send(r, 200);
		break;
	case TRACE_UNKNOWN:
		response_error(r, 404, "unknown_event", "id",
			       "no event of this id is stored or dead-lettered; one that was "
			       "accepted a moment ago may not be processed yet");
		break;
	case TRACE_FAILED:
		response_error(r, 503, "unavailable", NULL, "the event cannot be read now");
		break;
	}
	msg_free(answer);
}
