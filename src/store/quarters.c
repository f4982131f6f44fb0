/*
 * Reading packed quarters into a report.
 *
 * Runs on the query actors. The form is described in the migration that makes the table. Records
 * of a day ascend, and so do the days of a campaign: the period that was found last is nearly
 * always the next one's as well.
 */
#include "store/quarters.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/buckets.h"
#include "store/statement.h"

#define QUARTER_S 900
#define DAY_S 86400
#define CLICKS_BYTES 10
#define CONVERSIONS_BYTES 34
#define HIGH 256 /* added to a quarter's number: its sums are in MONEY_HIGH */
#define MONEY_HIGH 1000000000000000000ll
#define NUMBER_MAX 24

/* The columns of report_quarters.sql. */
enum { COL_CAMPAIGN, COL_DAY, COL_MODEL, COL_QUARTERS };

struct adding {
	struct report *rep;
	const char *key;
	int model;	/* index into the question's; -1: clicks */
	uint32_t at[2]; /* the period found last, of the asked ones and of the previous ones */
};

bool dirty_days_have(const struct dirty_days *d, int32_t day)
{
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->days[i] == day)
			return true;
	}
	return false;
}

bool quarters_fit(const struct report_question *q)
{
	return q->sources.n == 0 && q->types.n == 0 &&
	       (q->breakdown == BREAKDOWN_NONE || q->breakdown == BREAKDOWN_CAMPAIGN);
}

/* Signed integers in network order. */
static int32_t read_int16(const char *at)
{
	uint16_t n;
	memcpy(&n, at, sizeof(n));
	return (int16_t)be16toh(n);
}

static int32_t read_int32(const char *at)
{
	uint32_t n;
	memcpy(&n, at, sizeof(n));
	return (int32_t)be32toh(n);
}

static int64_t read_int64(const char *at)
{
	uint64_t n;
	memcpy(&n, at, sizeof(n));
	return (int64_t)be64toh(n);
}

static const struct span *span_of(const struct periods *p, uint32_t i, bool before)
{
	return before ? &p->items[i].before : &p->items[i].now;
}

/* The period that @t is in; false: in none. Periods descend and are adjacent, or have gaps between
 * months of different lengths. */
static bool find_period(const struct periods *p, int64_t t, bool before, uint32_t *at)
{
	const struct span *s = span_of(p, *at, before);
	if (t >= s->low_s && t < s->high_s)
		return true;
	uint32_t low = 0, high = p->n;
	while (low < high) { /* the first that begins at or before t */
		const uint32_t middle = low + (high - low) / 2;
		if (span_of(p, middle, before)->low_s > t)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == p->n || t >= span_of(p, low, before)->high_s)
		return false;
	*at = low;
	return true;
}

static void add_record(const struct adding *a, const char *at, bool is_high,
		       struct report_sums *sums)
{
	if (a->model < 0) {
		sums->clicks += read_int64(at + 2);
		return;
	}
	const __int128 unit = is_high ? MONEY_HIGH : 1;
	struct model_sums *m = &sums->models[a->model];
	m->credit += read_int64(at + 2);
	m->unattributed += read_int64(at + 10);
	m->value_minor += read_int64(at + 18) * unit;
	m->unattributed_value_minor += read_int64(at + 26) * unit;
}

static void add_day(struct adding *a, int32_t day, const char *records, size_t len)
{
	const size_t step = a->model < 0 ? CLICKS_BYTES : CONVERSIONS_BYTES;
	const int sides = a->rep->question.previous ? 2 : 1;
	ASSERT(len % step == 0);
	for (const char *at = records; at < records + len; at += step) {
		const int32_t number = read_int16(at);
		const int64_t t = (int64_t)day * DAY_S + (int64_t)(number % HIGH) * QUARTER_S;
		for (int before = 0; before < sides; before++) {
			if (!find_period(&a->rep->periods, t, before != 0, &a->at[before]))
				continue;
			struct report_row *row = report_cell(a->rep, a->at[before], a->key);
			add_record(a, at, number >= HIGH, before != 0 ? &row->before : &row->now);
		}
	}
}

static void add_rows(struct report *rep, const PGresult *r, const struct dirty_days *dirty)
{
	const bool keyed = rep->question.breakdown == BREAKDOWN_CAMPAIGN;
	struct adding a = {.rep = rep};
	for (int i = 0; i < PQntuples(r); i++) {
		const int32_t day = read_int32(PQgetvalue(r, i, COL_DAY));
		const char *model = PQgetvalue(r, i, COL_MODEL);
		if (dirty_days_have(dirty, day))
			continue;
		a.key = keyed ? PQgetvalue(r, i, COL_CAMPAIGN) : NULL;
		a.model = *model == '\0' ? -1 : (int)report_model(&rep->question, model);
		add_day(&a, day, PQgetvalue(r, i, COL_QUARTERS),
			(size_t)PQgetlength(r, i, COL_QUARTERS));
	}
}

enum err quarters_sum(struct pg *pg, struct report *rep, int32_t from, int32_t to,
		      const struct dirty_days *dirty)
{
	struct buf campaigns = BUF_INIT, models = BUF_INIT;
	char texts[2][NUMBER_MAX];
	snprintf(texts[0], NUMBER_MAX, "%" PRId32, from);
	snprintf(texts[1], NUMBER_MAX, "%" PRId32, to);
	buckets_write_campaigns(&rep->question, &campaigns);
	buckets_write_models(&rep->question, &models);
	const char *const params[] = {campaigns.data, texts[0], texts[1], models.data};
	PGresult *r;
	const enum err e =
		pg_run_to_binary(pg, SQL_report_quarters, (int)ARRAY_LEN(params), params, &r);
	if (e == ERR_OK)
		add_rows(rep, r, dirty);
	PQclear(r);
	buf_release(&campaigns);
	buf_release(&models);
	return e;
}
