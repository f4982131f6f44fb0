/*
 * Staging a batch.
 *
 * Runs on a writer thread.
 *
 * reread_note: offsets below high_offset were booked before; when the stored offsets are set back
 * they are read again, and count as reread whatever becomes of them. Staged rows of one transaction
 * are either all reread or all not, per topic, so that the counts of what was stored belong to one
 * side: a batch is cut where that changes, and the rest is booked by the next call.
 */
#include "store/staging.h"

#include <stdlib.h>
#include <string.h>

#include "store/copy_rows.h"
#include "store/statement.h"

static const struct uuid nil;

static void add_uuid(struct buf *rows, const struct uuid *v)
{
	row_field(rows, PG_OID_UUID);
	copy_bytes(rows, v->bytes, sizeof(v->bytes));
}

static void add_text(struct buf *rows, const char *data, size_t len)
{
	row_field(rows, PG_OID_TEXT);
	copy_bytes(rows, data, len);
}

static void add_int8(struct buf *rows, int64_t v)
{
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, v);
}

static void stage_touch(struct buf *rows, const struct event *e)
{
	add_uuid(rows, &e->campaign_id);
	add_text(rows, e->source, e->source_len);
	if (e->kind == EVENT_CONVERSION) {
		add_text(rows, e->type, e->type_len);
		add_int8(rows, e->value_minor);
		row_field(rows, PG_OID_UUID);
		if (uuid_is_equal(&e->click_id, &nil))
			copy_null(rows);
		else
			copy_bytes(rows, e->click_id.bytes, sizeof(e->click_id.bytes));
	}
}

static void stage_adjustment(struct buf *rows, const struct event *e)
{
	const char *change = event_change_word(e->change);
	add_uuid(rows, &e->conversion_id);
	add_text(rows, change, strlen(change));
	add_int8(rows, e->value_minor);
}

static void add_event(struct buf *rows, uint32_t n, const struct ledger_row *row)
{
	static const int columns[EVENT_KINDS] = {
		[EVENT_CLICK] = 8, [EVENT_CONVERSION] = 11, [EVENT_ADJUSTMENT] = 9};
	const struct event *e = &row->event;
	const size_t begin = rows_add(rows, columns[e->kind]);
	row_field(rows, PG_OID_INT4);
	copy_int4(rows, (int32_t)n);
	add_uuid(rows, &e->id);
	row_field(rows, PG_OID_TIMESTAMPTZ);
	copy_time(rows, e->time_ms);
	add_uuid(rows, &e->user_id);
	if (e->kind == EVENT_ADJUSTMENT)
		stage_adjustment(rows, e);
	else
		stage_touch(rows, e);
	add_int8(rows, row->record.offset);
	row_field(rows, PG_OID_TIMESTAMPTZ);
	if (row->record.time_ms > 0)
		copy_time(rows, row->record.time_ms);
	else
		copy_null(rows);
	copy_array_end(rows, begin);
}

static void list_click(struct staging *staging, const struct ledger_row *row)
{
	const uint32_t n = staging->of[EVENT_CLICK].n;
	if (n == staging->clicks_cap) {
		staging->clicks_cap = n == 0 ? 256 : n * 2;
		staging->clicks =
			xrealloc(staging->clicks, staging->clicks_cap * sizeof(*staging->clicks));
	}
	staging->clicks[n] = row;
}

static void stage_event(struct staging *staging, uint32_t n, const struct ledger_row *row,
			int64_t latest_ms)
{
	struct staged *s = &staging->of[row->record.topic];
	if (row->record.topic != EVENT_CLICK)
		add_event(&s->rows, n, row);
	else
		list_click(staging, row);
	if (row->record.topic == EVENT_CLICK && row->event.time_ms <= latest_ms) {
		add_event(&staging->late.rows, n, row);
		staging->late.n++;
	}
	s->n++;
}

/* Move the fence over one message; false when it was read before this claim and is only a stale
 * copy. */
static bool pass_offset(struct fence *f, struct ledger_batch *b, const struct record *rec)
{
	const int t = rec->topic;
	if (rec->offset < f->next_offset[t])
		return false;
	if (f->first_offset[t] < 0)
		f->first_offset[t] = f->high_offset[t] = rec->offset;
	if (rec->offset > f->high_offset[t]) {
		b->gaps += (uint32_t)(rec->offset - f->high_offset[t]);
		f->gaps[t] += rec->offset - f->high_offset[t];
		f->high_offset[t] = rec->offset;
	}
	if (rec->offset < f->high_offset[t]) {
		f->reread[t]++;
		b->reread[t]++;
	} else {
		f->high_offset[t] = rec->offset + 1;
	}
	f->next_offset[t] = rec->offset + 1;
	return true;
}

static void fill(struct staging *staging, struct fence *fence, struct ledger_batch *b,
		 int64_t latest_ms)
{
	bool passed[EVENT_KINDS] = {false};
	for (b->taken = 0; b->taken < b->upto; b->taken++) {
		struct ledger_row *row = &b->rows[b->taken];
		struct staged *s = &staging->of[row->record.topic];
		const bool reread = row->record.offset < fence->high_offset[row->record.topic];
		if (passed[row->record.topic] && reread != s->reread)
			return; /* see reread_note */
		row->stale = !pass_offset(fence, b, &row->record);
		if (row->stale)
			continue;
		passed[row->record.topic] = true;
		s->reread = reread;
		if (row->dead == NULL)
			stage_event(staging, b->taken, row, latest_ms);
	}
}

void staging_fill(struct staging *staging, struct fence *fence, struct ledger_batch *b,
		  int64_t latest_ms)
{
	fill(staging, fence, b, latest_ms);
	for (int t = 0; t < EVENT_KINDS; t++)
		rows_end(&staging->of[t].rows, t == EVENT_CLICK ? 0 : staging->of[t].n);
	rows_end(&staging->late.rows, staging->late.n);
}

void staging_add_clicks(struct staging *staging, const struct ledger_batch *b)
{
	struct staged *s = &staging->of[EVENT_CLICK];
	for (uint32_t i = 0; i < s->n; i++)
		add_event(&s->rows, (uint32_t)(staging->clicks[i] - b->rows), staging->clicks[i]);
	rows_end(&s->rows, s->n);
}

bool staging_is_empty(const struct staging *staging)
{
	for (int t = 0; t < EVENT_KINDS; t++) {
		if (staging->of[t].n > 0)
			return false;
	}
	return true;
}

void staging_clear(struct staging *staging, const struct row_types *types)
{
	for (int t = 0; t < EVENT_KINDS; t++) {
		struct staged *s = &staging->of[t];
		rows_begin(&s->rows, types->of[t]);
		s->n = 0;
		s->reread = false;
	}
	rows_begin(&staging->late.rows, types->of[ROW_CLICK]);
	staging->late.n = 0;
}

void staging_release(struct staging *staging)
{
	for (int t = 0; t < EVENT_KINDS; t++)
		buf_release(&staging->of[t].rows);
	buf_release(&staging->late.rows);
	free(staging->clicks);
}
