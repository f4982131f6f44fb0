/*
 * Tracing events.
 *
 * Pure functions, but for the memory of the trace.
 */
#include "domain/trace.h"

#include <stdlib.h>

#include "util/fields.h"

#define FIRST_CAP 4

struct trace *trace_new(const struct uuid *id)
{
	struct trace *t = xcalloc(1, sizeof(*t));
	t->id = *id;
	return t;
}

void trace_restart(struct trace *t)
{
	t->n = 0;
	t->more = false;
	t->status = TRACE_FAILED;
	arena_clear(&t->arena);
}

void trace_free(struct trace *t)
{
	if (t == NULL)
		return;
	arena_release(&t->arena);
	free(t->items);
	free(t);
}

struct traced *trace_add(struct trace *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? FIRST_CAP : t->cap * 2;
		t->items = xrealloc(t->items, t->cap * sizeof(*t->items));
	}
	struct traced *it = &t->items[t->n++];
	*it = (struct traced){0};
	return it;
}

static void write_place(const struct traced *it, struct buf *out)
{
	field_string(out, "topic", it->topic);
	field_int(out, "partition", it->partition);
	if (it->offset < 0)
		field_null(out, "offset");
	else
		field_int(out, "offset", it->offset);
}

static void write_letter(const struct traced *it, struct buf *out)
{
	field_string(out, "state", "dead_letter");
	write_place(it, out);
	field_time(out, "kept_at", it->written_ms);
	field_string(out, "reason", it->reason);
	field_string(out, "detail", it->detail);
	field_string(out, "resolution", it->state);
}

static void write_time(struct buf *out, const char *key, int64_t ms)
{
	if (ms > 0)
		field_time(out, key, ms);
	else
		field_null(out, key);
}

static void write_key(const struct trace_key *k, enum event_kind kind, struct buf *out)
{
	buf_addc(out, '{');
	field_uuid(out, event_id_key(kind), &k->id);
	field_time(out, event_time_key(kind), k->time_ms);
	buf_addc(out, '}');
}

static void write_credited(const struct traced *it, struct buf *out)
{
	field_key(out, "credited_by");
	buf_addc(out, '{');
	field_int(out, "conversions", it->credited_found);
	field_bool(out, "complete", it->looked_at_all);
	field_key(out, "data");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < it->n_credited; i++) {
		field_next(out);
		write_key(&it->credited[i], EVENT_CONVERSION, out);
	}
	buf_adds(out, "]}");
}

static void write_attribution(const struct traced *it, struct buf *out)
{
	field_bool(out, "attributed", it->is_attributed);
	write_time(out, "attributed_at", it->attributed_ms);
	field_key(out, "last_click");
	if (it->is_attributed)
		write_key(&it->last_click, EVENT_CLICK, out);
	else
		buf_adds(out, "null");
}

static void write_stored(const struct trace *t, const struct traced *it, struct buf *out)
{
	field_string(out, "state", "stored");
	field_string(out, "event", event_word(it->kind));
	field_uuid(out, event_id_key(it->kind), &t->id);
	field_time(out, event_time_key(it->kind), it->time_ms);
	field_uuid(out, "user_id", &it->user_id);
	write_place(it, out);
	write_time(out, "accepted_at", it->accepted_ms);
	field_time(out, "stored_at", it->written_ms);
	if (it->kind == EVENT_CLICK)
		write_credited(it, out);
	else if (it->kind == EVENT_CONVERSION)
		write_attribution(it, out);
	else
		field_uuid(out, "conversion_id", &it->conversion_id);
}

void trace_write(const struct trace *t, struct buf *out)
{
	buf_addc(out, '{');
	field_uuid(out, "id", &t->id);
	field_key(out, "data");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < t->n; i++) {
		field_next(out);
		buf_addc(out, '{');
		if (t->items[i].reason != NULL)
			write_letter(&t->items[i], out);
		else
			write_stored(t, &t->items[i], out);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	field_bool(out, "more", t->more);
	buf_addc(out, '}');
}
