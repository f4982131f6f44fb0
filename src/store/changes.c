/*
 * What a booking transaction changes in the sums.
 *
 * Runs on the writers, and on main in the tools.
 */
#include "store/changes.h"

#include <stdlib.h>
#include <string.h>

#include "store/copy_rows.h"
#include "store/path_rows.h"
#include "util/datetime.h"
#include "util/money.h"

void changes_clear(struct changes *c, const struct row_types *types)
{
	c->n_days = c->n_deltas = 0;
	c->takes_away = false;
	c->share_type = types->of[ROW_SHARE];
	rows_begin(&c->deltas, types->of[ROW_DELTA]);
}

static struct totals *add_day(struct changes *c, struct uuid campaign_id, int32_t day)
{
	if (c->n_days == c->cap) {
		c->cap = c->cap == 0 ? 64 : c->cap * 2;
		c->days = xrealloc(c->days, c->cap * sizeof(*c->days));
	}
	struct share *share = &c->days[c->n_days++];
	*share = (struct share){.campaign_id = campaign_id, .day = day};
	return &share->totals;
}

void changes_add_clicks(struct changes *c, struct uuid campaign_id, int32_t day, int64_t clicks)
{
	add_day(c, campaign_id, day)->clicks = clicks;
}

static void add_cell(struct changes *c, const struct cell *cell)
{
	struct totals *t = add_day(c, cell->campaign_id, day_of_ms(cell->bucket_ms));
	cell_row_add(&c->deltas, cell);
	c->n_deltas++;
	c->takes_away = c->takes_away || cell->credit < 0 || cell->unattributed < 0;
	if (cell->model != MODEL_LAST_CLICK)
		return;
	t->conversions = cell->credit;
	t->value_minor = cell->value_minor;
	t->unattributed = cell->unattributed;
	t->unattributed_value_minor = cell->unattributed_value_minor;
}

void changes_add_cells(struct changes *c, const struct cells *cells)
{
	uint32_t n;
	const struct cell **sorted = cells_sorted(cells, &n);
	for (uint32_t i = 0; i < n; i++)
		add_cell(c, sorted[i]);
	free(sorted);
}

static int by_day(const void *a, const void *b)
{
	const struct share *x = a, *y = b;
	const int order = uuid_compare(&x->campaign_id, &y->campaign_id);
	return order != 0 ? order : (x->day > y->day) - (x->day < y->day);
}

/* Bring the days together, each once. */
static void merge_days(struct changes *c)
{
	uint32_t n = 0;
	if (c->n_days == 0)
		return;
	qsort(c->days, c->n_days, sizeof(*c->days), by_day);
	for (uint32_t i = 1; i < c->n_days; i++) {
		if (by_day(&c->days[n], &c->days[i]) == 0)
			totals_add(&c->days[n].totals, &c->days[i].totals);
		else
			c->days[++n] = c->days[i];
	}
	c->n_days = n + 1;
}

static void share_row_add(struct buf *rows, const struct share *s)
{
	const size_t begin = rows_add(rows, 7);
	row_field(rows, PG_OID_UUID);
	copy_bytes(rows, &s->campaign_id, sizeof(s->campaign_id));
	row_field(rows, PG_OID_DATE);
	copy_date(rows, s->day);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, s->totals.clicks);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, s->totals.conversions / CREDIT_WHOLE);
	row_field(rows, PG_OID_NUMERIC);
	copy_numeric(rows, s->totals.value_minor);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, s->totals.unattributed);
	row_field(rows, PG_OID_NUMERIC);
	copy_numeric(rows, s->totals.unattributed_value_minor);
	copy_array_end(rows, begin);
}

void changes_book(struct changes *c, int32_t shard, int64_t version, struct pg_steps *steps)
{
	rows_end(&c->deltas, c->n_deltas);
	if (c->n_deltas > 0) {
		struct pg_step *step = pg_step_add(steps, SQL_book_conversion_buckets);
		pg_step_int(step, shard);
		pg_step_bytes(step, &c->deltas);
	}
	merge_days(c);
	rows_begin(&c->shares, c->share_type);
	for (uint32_t i = 0; i < c->n_days; i++)
		share_row_add(&c->shares, &c->days[i]);
	if (c->n_days > 0) {
		rows_end(&c->shares, c->n_days);
		struct pg_step *step = pg_step_add(steps, SQL_book_day_shares);
		pg_step_int(step, shard);
		pg_step_int(step, version);
		pg_step_bytes(step, &c->shares);
	}
}

static bool read_share(const PGresult *r, int row, struct share *out)
{
	out->day = (int32_t)pg_int(r, row, 1);
	out->totals.clicks = pg_int(r, row, 2);
	out->totals.conversions = pg_int(r, row, 3);
	out->totals.unattributed = pg_int(r, row, 4);
	return uuid_parse(PQgetvalue(r, row, 0), UUID_TEXT_LEN, &out->campaign_id) &&
	       minor_parse(PQgetvalue(r, row, 5), &out->totals.value_minor) &&
	       minor_parse(PQgetvalue(r, row, 6), &out->totals.unattributed_value_minor);
}

/* Take the days' shares; is one of them zero? */
static bool read_shares(struct changes *c, const struct pg_steps *steps)
{
	const PGresult *r = pg_steps_result(steps, SQL_book_day_shares);
	bool any_zero = false;
	ASSERT(c->n_days == 0 || PQntuples(r) == (int)c->n_days);
	for (uint32_t i = 0; i < c->n_days; i++) {
		ASSERT(read_share(r, (int)i, &c->days[i]));
		any_zero = any_zero || totals_is_zero(&c->days[i].totals);
	}
	return any_zero;
}

static enum err drop_shares(const struct changes *c, struct pg *pg, int32_t shard)
{
	struct pg_steps steps = {.n = 0};
	struct pg_step *step = pg_step_add(&steps, SQL_drop_empty_shares);
	pg_step_int(step, shard);
	pg_step_bytes(step, &c->deltas);
	const enum err e = pg_run_steps(pg, &steps);
	pg_steps_clear(&steps);
	return e;
}

enum err changes_settle(struct changes *c, struct pg *pg, int32_t shard,
			const struct pg_steps *steps)
{
	const PGresult *buckets = pg_steps_result(steps, SQL_book_conversion_buckets);
	const bool any_zero = read_shares(c, steps);
	enum err e = ERR_OK;
	if (buckets != NULL && !PQgetisnull(buckets, 0, 0)) {
		const char *const places[] = {PQgetvalue(buckets, 0, 0)};
		e = pg_run(pg, SQL_drop_empty_buckets, 1, places, NULL);
	}
	return e == ERR_OK && any_zero && c->takes_away ? drop_shares(c, pg, shard) : e;
}

void changes_release(struct changes *c)
{
	free(c->days);
	buf_release(&c->deltas);
	buf_release(&c->shares);
	*c = (struct changes){0};
}
