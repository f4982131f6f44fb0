/*
 * One event from a request's body to Kafka's acknowledgement.
 *
 * Runs on CivetWeb's workers; an answer is also written by who has it, see deferral.h.
 */
#include "net/ingest.h"

#include <string.h>

#include "domain/plain.h"
#include "net/deferral.h"
#include "net/outbox.h"
#include "net/response.h"
#include "net/worker.h"
#include "util/clock.h"

static const char *const created[EVENT_KINDS] = {
	[EVENT_CLICK] = "Click event created successfully",
	[EVENT_CONVERSION] = "Conversion event created successfully",
	[EVENT_ADJUSTMENT] = "Adjustment event created successfully",
};

/* The error's code, from how often its field stands in the object. */
static const char *code_of(const cJSON *object, const char *field)
{
	int count = 0;
	bool empty = false;
	const cJSON *item;
	if (!cJSON_IsObject(object))
		return "invalid_json";
	cJSON_ArrayForEach(item, object)
	{
		if (strcmp(item->string, field) == 0) {
			count++;
			empty = cJSON_IsNull(item);
		}
	}
	if (count > 1)
		return "duplicate_field";
	return count == 0 || empty ? "missing_field" : "invalid_field";
}

static void refuse(struct request *r, const cJSON *object, const struct event_error *error)
{
	metrics_add(r->w->metrics, M_REJECTED, 1);
	response_refuse(r, code_of(object, error->field), error->field, error->message);
}

static void answer_created(struct request *r, enum event_kind kind)
{
	struct buf *out = response_begin(r);
	buf_addc(out, '{');
	response_add_uuid(out, event_id_key(kind), &r->id);
	buf_adds(out, ",\"message\":\"");
	buf_adds(out, created[kind]);
	buf_adds(out, "\",\"status\":\"success\"}");
	response_send(r, 201);
}

/* Answer by what became of the event; takes the message. */
static void conclude(struct request *r, struct msg *m)
{
	const bool accepted = m != NULL && m->produce.records[0].status == PRODUCE_ACCEPTED;
	if (m != NULL)
		metrics_observe(r->w->metrics, M_ACK, clock_mono_ns() - m->created_ns);
	metrics_add(r->w->metrics, accepted ? M_ACCEPTED : M_RETRY, 1);
	if (accepted)
		answer_created(r, m->produce.records[0].kind);
	else
		response_error(r, 503, "unavailable", NULL, "the event is " INGEST_RETRY);
	msg_free(m);
}

static uint64_t ack_deadline_ns(const struct worker *w)
{
	return clock_mono_ns() + (uint64_t)w->deps->cfg->ack_timeout_ms * NS_PER_MS;
}

static void produce_one(struct request *r, const struct event *event)
{
	struct worker *w = r->w;
	struct outbox ob;
	outbox_init(&ob, &w->packed);
	outbox_add(&ob, event, w->deps->partitions);
	struct msg *m = outbox_message(&ob);
	outbox_release(&ob);
	r->id_key = event_id_key(event->kind);
	r->id = event->id;
	if (deferral_fits(r))
		deferral_start(r, &m, ack_deadline_ns(w), conclude);
	else
		conclude(r, worker_ask(w, LANE_PRODUCER, &m, ack_deadline_ns(w)));
}

static bool has_good_time(const struct request *r, const struct event *event,
			  struct event_error *error)
{
	const struct config *cfg = r->w->deps->cfg;
	return event_check_time(event, r->now_ms, cfg->future_limit_ms, cfg->event_retention_days,
				error);
}

/* False: it is to be read the long way, which also says what is wrong with it. */
static bool read_plain_click(const struct request *r, struct event *out)
{
	struct event_error error;
	const struct buf *body = &r->w->body;
	return body->len > 0 && plain_read_click(body->data, body->len, r->now_ms, out) &&
	       has_good_time(r, out, &error);
}

static void ingest(struct request *r, enum event_kind kind)
{
	struct event event;
	struct event_error error;
	if (!request_check_media(r, false) ||
	    !request_read_body(r, (size_t)r->w->deps->cfg->body_max_bytes))
		return;
	if (kind == EVENT_CLICK && read_plain_click(r, &event)) {
		produce_one(r, &event);
		return;
	}
	cJSON *tree = request_parse_json(r);
	if (tree == NULL)
		metrics_add(r->w->metrics, M_REJECTED, 1);
	else if (ingest_read(r, kind, tree, &event, &error))
		produce_one(r, &event);
	else
		refuse(r, tree, &error);
	cJSON_Delete(tree);
}

void ingest_click(struct request *r)
{
	ingest(r, EVENT_CLICK);
}

void ingest_conversion(struct request *r)
{
	ingest(r, EVENT_CONVERSION);
}

void ingest_adjustment(struct request *r)
{
	ingest(r, EVENT_ADJUSTMENT);
}

bool ingest_read(const struct request *r, enum event_kind kind, const cJSON *object,
		 struct event *out, struct event_error *error)
{
	return event_read(kind, object, r->now_ms, out, error) && has_good_time(r, out, error);
}

struct msg *ingest_produce(struct request *r, const struct outbox *ob)
{
	struct worker *w = r->w;
	struct msg *m = outbox_message(ob);
	struct msg *answer = worker_ask(w, LANE_PRODUCER, &m, ack_deadline_ns(w));
	if (answer != NULL)
		metrics_observe(w->metrics, M_ACK, clock_mono_ns() - answer->created_ns);
	return answer;
}
