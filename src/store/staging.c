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

#include <string.h>

#include "store/copy_rows.h"
#include "store/statement.h"

static const struct uuid nil;

static void stage_touch(struct staged *s, const struct event *e)
{
	copy_bytes(&s->rows, e->campaign_id.bytes, sizeof(e->campaign_id.bytes));
	copy_bytes(&s->rows, e->source, e->source_len);
	if (e->kind == EVENT_CONVERSION) {
		copy_bytes(&s->rows, e->type, e->type_len);
		copy_int8(&s->rows, e->value_minor);
		if (uuid_is_equal(&e->click_id, &nil))
			copy_null(&s->rows);
		else
			copy_bytes(&s->rows, e->click_id.bytes, sizeof(e->click_id.bytes));
	}
}

static void stage_adjustment(struct staged *s, const struct event *e)
{
	const char *change = event_change_word(e->change);
	copy_bytes(&s->rows, e->conversion_id.bytes, sizeof(e->conversion_id.bytes));
	copy_bytes(&s->rows, change, strlen(change));
	copy_int8(&s->rows, e->value_minor);
}

static void stage_event(struct staged *s, uint32_t n, const struct ledger_row *row)
{
	static const int columns[EVENT_KINDS] = {
		[EVENT_CLICK] = 8, [EVENT_CONVERSION] = 11, [EVENT_ADJUSTMENT] = 9};
	const struct event *e = &row->event;
	copy_row(&s->rows, columns[e->kind]);
	copy_int4(&s->rows, (int32_t)n);
	copy_bytes(&s->rows, e->id.bytes, sizeof(e->id.bytes));
	copy_time(&s->rows, e->time_ms);
	copy_bytes(&s->rows, e->user_id.bytes, sizeof(e->user_id.bytes));
	if (e->kind == EVENT_ADJUSTMENT)
		stage_adjustment(s, e);
	else
		stage_touch(s, e);
	copy_int8(&s->rows, row->record.offset);
	if (row->record.time_ms > 0)
		copy_time(&s->rows, row->record.time_ms);
	else
		copy_null(&s->rows);
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

void staging_fill(struct staging *staging, struct fence *fence, struct ledger_batch *b)
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
			stage_event(s, b->taken, row);
	}
}

enum err staging_copy(const struct staging *staging, struct pg *pg)
{
	static const enum sql copy[EVENT_KINDS] = {
		[EVENT_CLICK] = SQL_copy_clicks,
		[EVENT_CONVERSION] = SQL_copy_conversions,
		[EVENT_ADJUSTMENT] = SQL_copy_adjustments,
	};
	enum err e = ERR_OK;
	for (int t = 0; e == ERR_OK && t < EVENT_KINDS; t++) {
		if (staging->of[t].n > 0)
			e = pg_copy_in(pg, copy[t], &staging->of[t].rows);
	}
	return e;
}

bool staging_is_empty(const struct staging *staging)
{
	for (int t = 0; t < EVENT_KINDS; t++) {
		if (staging->of[t].n > 0)
			return false;
	}
	return true;
}

void staging_clear(struct staging *staging)
{
	for (int t = 0; t < EVENT_KINDS; t++) {
		struct staged *s = &staging->of[t];
		buf_clear(&s->rows);
		s->n = 0;
		s->reread = false;
	}
}

void staging_release(struct staging *staging)
{
	for (int t = 0; t < EVENT_KINDS; t++)
		buf_release(&staging->of[t].rows);
}
