/*
 * Storing new clicks.
 *
 * Runs on a writer thread.
 *
 * key_note: rows are copied in the order of their keys, as store_clicks.sql inserts them, so that
 * two writers that meet in a key cannot deadlock.
 */
#include "store/fresh.h"

#include <stdlib.h>

#include "store/copy_rows.h"
#include "store/statement.h"
#include "util/datetime.h"

static int by_key(const void *a, const void *b)
{
	const struct event *x = &(*(const struct ledger_row *const *)a)->event;
	const struct event *y = &(*(const struct ledger_row *const *)b)->event;
	const int order = uuid_compare(&x->id, &y->id);
	return order != 0 ? order : (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static void add_row(struct buf *rows, const struct ledger_row *row, int32_t shard)
{
	const struct event *e = &row->event;
	copy_row(rows, 8);
	copy_bytes(rows, e->id.bytes, sizeof(e->id.bytes));
	copy_time(rows, e->time_ms);
	copy_bytes(rows, e->user_id.bytes, sizeof(e->user_id.bytes));
	copy_bytes(rows, e->campaign_id.bytes, sizeof(e->campaign_id.bytes));
	copy_bytes(rows, e->source, e->source_len);
	copy_int4(rows, shard);
	copy_int8(rows, row->record.offset);
	if (row->record.time_ms > 0)
		copy_time(rows, row->record.time_ms);
	else
		copy_null(rows);
}

bool fresh_take(struct fresh *f, const struct ledger_row **clicks, uint32_t n, int32_t shard)
{
	qsort(clicks, n, sizeof(*clicks), by_key);
	for (uint32_t i = 1; i < n; i++) {
		if (by_key(&clicks[i - 1], &clicks[i]) == 0)
			return false;
	}
	buf_clear(&f->rows);
	cells_clear(&f->cells);
	f->n = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct event *e = &clicks[i]->event;
		add_row(&f->rows, clicks[i], shard);
		cells_add_click(&f->cells, &e->campaign_id, (struct text){e->source, e->source_len},
				e->time_ms);
	}
	return true;
}

enum err fresh_copy(const struct fresh *f, struct pg *pg)
{
	int64_t copied = 0;
	const enum err e = pg_copy_in(pg, SQL_copy_clicks, &f->rows, &copied);
	return e == ERR_OK && copied != f->n ? ERR_REFUSED
					     : e; /* somebody's trigger left rows out */
}

static void add_delta(struct buf *rows, const struct cell *c)
{
	const size_t begin = rows_add(rows, 4);
	row_field(rows, PG_OID_UUID);
	copy_bytes(rows, &c->campaign_id, sizeof(c->campaign_id));
	row_field(rows, PG_OID_TEXT);
	copy_bytes(rows, c->source.data, c->source.len);
	row_field(rows, PG_OID_TIMESTAMPTZ);
	copy_time(rows, c->bucket_ms);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, c->clicks);
	copy_array_end(rows, begin);
}

void fresh_book(struct fresh *f, int32_t shard, uint32_t type, struct changes *changes,
		struct pg_steps *steps)
{
	uint32_t n;
	const struct cell **sorted = cells_sorted(&f->cells, &n);
	rows_begin(&f->deltas, type);
	for (uint32_t i = 0; i < n; i++) {
		const struct cell *c = sorted[i];
		add_delta(&f->deltas, c);
		changes_add_clicks(changes, c->campaign_id, day_of_ms(c->bucket_ms), c->clicks);
	}
	rows_end(&f->deltas, n);
	free(sorted);
	struct pg_step *step = pg_step_add(steps, SQL_book_click_buckets);
	pg_step_int(step, shard);
	pg_step_bytes(step, &f->deltas);
}

void fresh_release(struct fresh *f)
{
	cells_release(&f->cells);
	buf_release(&f->rows);
	buf_release(&f->deltas);
	*f = (struct fresh){0};
}
