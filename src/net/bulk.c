/*
 * Many events from a request's body to Kafka's acknowledgement, and the account of each.
 *
 * Runs on CivetWeb's workers. One element's tree lives at a time; what is kept of an element is its
 * item here and, if it is good, its JSON in the outbox. Nothing is handed over before the whole
 * body was read, so a malformed array stores nothing.
 */
#include "net/bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/elements.h"
#include "net/ingest.h"
#include "net/outbox.h"
#include "net/response.h"
#include "net/worker.h"

/* What became of one element. */
struct item {
	struct event_error *error; /* NULL: the event was good; owned */
	struct uuid id;
	enum event_kind kind;
};

struct bulk {
	struct request *r;
	struct item *items;
	size_t n;
	size_t cap;
	struct outbox ob;
	struct msg *answer; /* NULL: nothing is known of any event */
	uint32_t accepted;
	uint32_t rejected;
	uint32_t retry;
};

static void bulk_release(struct bulk *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->items[i].error);
	free(b->items);
	outbox_release(&b->ob);
	msg_free(b->answer);
}

static bool fail(struct event_error *error, const char *field, const char *message)
{
	error->field = field;
	(void)snprintf(error->message, sizeof(error->message), "%s", message);
	return false;
}

static bool read_kind(const cJSON *object, enum event_kind *out, struct event_error *error)
{
	const cJSON *found = NULL;
	const cJSON *item;
	if (!cJSON_IsObject(object))
		return fail(error, "", "expected a JSON object");
	cJSON_ArrayForEach(item, object)
	{
		if (strcmp(item->string, "event") != 0)
			continue;
		if (found != NULL)
			return fail(error, "event", "stands twice; expected it once");
		found = item;
	}
	if (found == NULL)
		return fail(error, "event",
			    "missing; expected \"click\", \"conversion\" or \"adjustment\"");
	if (!cJSON_IsString(found) || !event_kind_parse(found->valuestring, out))
		return fail(error, "event", "expected \"click\", \"conversion\" or \"adjustment\"");
	return true;
}

static struct item *add_item(struct bulk *b)
{
	if (b->n == b->cap) {
		b->cap = b->cap == 0 ? 64 : b->cap * 2;
		b->items = xrealloc(b->items, b->cap * sizeof(*b->items));
	}
	struct item *item = &b->items[b->n++];
	memset(item, 0, sizeof(*item));
	return item;
}

static void reject(struct bulk *b, struct item *item, const struct event_error *error)
{
	item->error = xmalloc(sizeof(*error));
	*item->error = *error;
	b->rejected++;
}

static void add_event(struct bulk *b, const cJSON *object)
{
	struct item *item = add_item(b);
	struct event event;
	struct event_error error;
	if (!read_kind(object, &item->kind, &error) ||
	    !ingest_read(b->r, item->kind, object, &event, &error)) {
		reject(b, item, &error);
		return;
	}
	item->id = event.id;
	outbox_add(&b->ob, &event, b->r->w->deps->partitions);
}

static void add_unreadable(struct bulk *b, const char *why)
{
	struct event_error error;
	(void)fail(&error, "", why);
	reject(b, add_item(b), &error);
}

/* One element; false: it is not JSON, @error says why. */
static bool add_element(struct bulk *b, const struct elements *e, char error[JSON_ERROR_MAX])
{
	if (e->len > (size_t)b->r->w->deps->cfg->body_max_bytes) {
		add_unreadable(b, "the event is larger than BODY_MAX_BYTES");
		return true;
	}
	cJSON *tree = json_parse(e->text, e->len, error);
	if (tree == NULL)
		return false;
	add_event(b, tree);
	cJSON_Delete(tree);
	return true;
}

/* Read all elements. False: the body is refused as a whole and was answered. */
static bool read_elements(struct bulk *b, struct elements *e)
{
	const int64_t max = b->r->w->deps->cfg->bulk_max_events;
	char error[JSON_ERROR_MAX];
	while (elements_next(e)) {
		if (e->n > (size_t)max) {
			response_error(b->r, 413, "too_large", NULL,
				       "expected at most %lld events in a body", (long long)max);
			return false;
		}
		if (add_element(b, e, error))
			continue;
		if (e->is_array) {
			response_error(b->r, 400, "invalid_json", NULL,
				       "element %zu is not JSON: %s", e->n - 1, error);
			return false;
		}
		add_unreadable(b, error);
	}
	if (e->error != NULL)
		response_error(b->r, 400, "invalid_json", NULL, "the body is not a JSON array: %s",
			       e->error);
	return e->error == NULL;
}

static bool open_elements(struct request *r, struct elements *out)
{
	const struct buf *body = &r->w->body;
	const char *text = body->len == 0 ? "" : body->data;
	const char first = elements_first_char(text, body->len);
	if (r->framing.media == MEDIA_NDJSON || first == '{')
		*out = elements_of_lines(text, body->len);
	else
		*out = elements_of_array(text, body->len);
	if (!out->is_array || first == '[')
		return true;
	response_error(r, 400, "invalid_json", NULL,
		       "expected a JSON array of events, or one event in each line");
	return false;
}

static void add_result(struct bulk *b, struct buf *out, size_t index, uint32_t *record)
{
	const struct item *item = &b->items[index];
	buf_addf(out, "%s{\"index\":%zu,", index == 0 ? "" : ",", index);
	if (item->error != NULL) {
		buf_adds(out, "\"status\":\"rejected\",\"field\":");
		if (item->error->field[0] == '\0')
			buf_adds(out, "null");
		else
			buf_add_json(out, item->error->field, strlen(item->error->field));
		buf_adds(out, ",\"message\":");
		buf_add_json(out, item->error->message, strlen(item->error->message));
		buf_addc(out, '}');
		return;
	}
	const bool accepted = b->answer != NULL &&
			      b->answer->produce.records[(*record)++].status == PRODUCE_ACCEPTED;
	buf_addf(out, "\"event\":\"%s\",", event_word(item->kind));
	response_add_uuid(out, "id", &item->id);
	buf_addf(out, ",\"status\":\"%s\"}", accepted ? "accepted" : "retry");
}

static void count(struct bulk *b)
{
	struct metrics *metrics = b->r->w->metrics;
	for (uint32_t i = 0; b->answer != NULL && i < b->answer->produce.n; i++)
		b->accepted += b->answer->produce.records[i].status == PRODUCE_ACCEPTED;
	b->retry = b->ob.n - b->accepted;
	metrics_add(metrics, M_ACCEPTED, b->accepted);
	metrics_add(metrics, M_REJECTED, b->rejected);
	metrics_add(metrics, M_RETRY, b->retry);
}

static void answer(struct bulk *b)
{
	const bool none_known = b->retry > 0 && b->retry == b->n;
	uint32_t record = 0;
	struct buf *out = response_begin(b->r);
	buf_addf(out, "{\"status\":\"%s\",",
		 none_known	       ? "error"
		 : b->accepted == b->n ? "success"
				       : "partial");
	if (none_known) {
		response_add_error(out, "unavailable", NULL, "the events are " INGEST_RETRY);
		buf_addc(out, ',');
	}
	buf_addf(out, "\"accepted\":%u,\"rejected\":%u,\"retry\":%u,\"results\":[", b->accepted,
		 b->rejected, b->retry);
	for (size_t i = 0; i < b->n; i++)
		add_result(b, out, i, &record);
	buf_adds(out, "]}");
	response_send(b->r, none_known ? 503 : 200);
}

void bulk_ingest(struct request *r)
{
	struct bulk b = {.r = r};
	struct elements e;
	if (!request_check_media(r, true) ||
	    !request_read_body(r, (size_t)r->w->deps->cfg->bulk_body_max_bytes) ||
	    !open_elements(r, &e))
		return;
	outbox_init(&b.ob, &r->w->packed);
	if (read_elements(&b, &e)) {
		if (b.ob.n > 0)
			b.answer = ingest_produce(r, &b.ob);
		count(&b);
		answer(&b);
	}
	bulk_release(&b);
}
