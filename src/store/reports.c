/*
 * Reports from the buckets.
 *
 * Runs on the query actors.
 */
#include "store/reports.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/statement.h"
#include "util/clock.h"
#include "util/money.h"

#define DAY_S 86400
#define HOUR_S 3600
#define ROWS_PER_KEY (2 * (1 + MODELS)) /* rows of the statement that make one of the report */
#define NUMBER_MAX 24

/* The columns of report_rows.sql. */
enum {
	COL_PERIOD,
	COL_BEFORE,
	COL_KEY,
	COL_MODEL,
	COL_CLICKS,
	COL_CREDIT,
	COL_UNATTRIBUTED,
	COL_VALUE,
	COL_UNATTRIBUTED_VALUE
};

static void add_uuids(struct buf *out, const struct report_question *q)
{
	char id[UUID_TEXT_LEN + 1];
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		uuid_format(&q->campaigns[i], id);
		buf_addf(out, "%c%s", i == 0 ? '{' : ',', id);
	}
	buf_addc(out, '}');
}

/* An array of texts; quotes and backslashes escaped. */
static void add_texts(struct buf *out, const char *const *texts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		buf_adds(out, i == 0 ? "{\"" : ",\"");
		for (const char *c = texts[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, *c);
		}
		buf_addc(out, '"');
	}
	buf_adds(out, n == 0 ? "{}" : "}");
}

/* How far days are closed, and whether the campaigns are known. */
static enum err read_head(struct pg *pg, struct report *rep)
{
	struct buf campaigns = BUF_INIT;
	add_uuids(&campaigns, &rep->question);
	const char *const params[] = {campaigns.data};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_report_head, 1, params, &r);
	if (e == ERR_OK) {
		rep->closed_through = (int32_t)pg_int(r, 0, 0);
		if (pg_int(r, 0, 1) > 0)
			rep->status = REPORT_NO_CAMPAIGN;
	}
	PQclear(r);
	buf_release(&campaigns);
	return e;
}

/* Give the spans of @p the instants that their days begin at in the zone. */
static enum err place_days(struct pg *pg, const char *zone, struct periods *p, bool previous)
{
	const uint32_t n = p->n * (previous ? 4 : 2);
	int32_t *days = xcalloc((size_t)n + 1, sizeof(*days));
	int64_t *instants = xcalloc((size_t)n + 1, sizeof(*instants));
	uint32_t k = 0;
	for (uint32_t i = 0; i < p->n; i++) {
		days[k++] = p->items[i].now.first;
		days[k++] = p->items[i].now.end;
		if (previous) {
			days[k++] = p->items[i].before.first;
			days[k++] = p->items[i].before.end;
		}
	}
	const enum err e = zone_days(pg, zone, days, n, instants);
	k = 0;
	for (uint32_t i = 0; e == ERR_OK && i < p->n; i++) {
		p->items[i].now.low_s = instants[k++];
		p->items[i].now.high_s = instants[k++];
		if (previous) {
			p->items[i].before.low_s = instants[k++];
			p->items[i].before.high_s = instants[k++];
		}
	}
	free(days);
	free(instants);
	return e;
}

/* The newest hours of the range, or those before the cursor. */
static enum err cut_hours(struct pg *pg, struct report *rep)
{
	const struct report_question *q = &rep->question;
	const int32_t days[] = {q->from, q->to + 1};
	int64_t ends[2], *lows = NULL;
	int32_t *offsets = NULL;
	uint32_t n = 0;
	enum err e = zone_days(pg, q->zone, days, 2, ends);
	if (e != ERR_OK)
		return e;
	if (q->has_cursor && q->cursor < ends[1])
		ends[1] = q->cursor > ends[0] ? q->cursor : ends[0];
	/* No more than one page, and two for what begins before and for a half. */
	const int64_t low = ends[1] - ((int64_t)q->limit + 2) * HOUR_S;
	const bool all = low <= ends[0];
	if (!all)
		ends[0] = low;
	e = zone_hours(pg, q->zone, ends[0], ends[1], &lows, &offsets, &n);
	if (e == ERR_OK)
		periods_of_hours(lows, offsets, n, ends[1], (int64_t)(q->to - q->from + 1) * DAY_S,
				 q->limit, all, &rep->periods);
	free(lows);
	free(offsets);
	return e;
}

static enum err cut(struct pg *pg, struct report *rep)
{
	const struct report_question *q = &rep->question;
	if (q->group_by == GROUP_HOURLY)
		return cut_hours(pg, rep);
	periods_of_days(q->group_by, q->from, q->to, q->has_cursor ? &q->cursor : NULL, q->limit,
			&rep->periods);
	if (strcmp(q->zone, "UTC") == 0)
		return ERR_OK;
	return place_days(pg, q->zone, &rep->periods, q->previous);
}

/* Zone and range; status REPORT_REFUSED where they are not good. */
static enum err settle(struct pg *pg, struct zones *zones, struct report *rep)
{
	struct report_question *q = &rep->question;
	int32_t today = day_of_ms(q->now_ms);
	enum err e = ERR_OK;
	if (strcmp(q->zone, "UTC") != 0)
		e = zones_find(zones, pg, q->zone, sizeof(q->zone));
	if (e == ERR_NOT_FOUND) {
		report_refuse(rep, "tz",
			      "expected the name of an IANA time zone, such as "
			      "Europe/Berlin");
		return ERR_OK;
	}
	if (e == ERR_OK && !q->has_to)
		e = zone_today(pg, q->zone, q->now_ms, &today);
	if (e == ERR_OK)
		(void)!report_resolve(rep, today);
	return e;
}

static void add_spans(const struct report *rep, bool ends, struct buf *out)
{
	const struct periods *p = &rep->periods;
	const uint32_t n = rep->question.previous ? 2 * p->n : p->n;
	for (uint32_t i = 0; i < n; i++) {
		const struct period *period = &p->items[i % p->n];
		const struct span *s = i < p->n ? &period->now : &period->before;
		buf_addf(out, "%c%" PRId64, i == 0 ? '{' : ',', ends ? s->high_s : s->low_s);
	}
	buf_adds(out, n == 0 ? "{}" : "}");
}

static uint32_t model_index(const struct report_question *q, const char *word)
{
	uint32_t i = 0;
	while (i < q->n_models && strcmp(model_word(q->models[i]), word) != 0)
		i++;
	ASSERT(i < q->n_models);
	return i;
}

/* Add one row of the statement; false: there are too many. */
static bool take_row(struct report *rep, const PGresult *r, int i)
{
	const bool keyed = !PQgetisnull(r, i, COL_KEY);
	struct report_row *row = report_add(rep, (uint32_t)pg_int(r, i, COL_PERIOD),
					    keyed ? PQgetvalue(r, i, COL_KEY) : NULL);
	if (row == NULL)
		return false;
	struct report_sums *sums = *PQgetvalue(r, i, COL_BEFORE) == 't' ? &row->before : &row->now;
	if (PQgetisnull(r, i, COL_MODEL)) {
		sums->clicks += pg_int(r, i, COL_CLICKS);
		return true;
	}
	struct model_sums *m =
		&sums->models[model_index(&rep->question, PQgetvalue(r, i, COL_MODEL))];
	__int128 value, unattributed;
	ASSERT(minor_parse(PQgetvalue(r, i, COL_VALUE), &value));
	ASSERT(minor_parse(PQgetvalue(r, i, COL_UNATTRIBUTED_VALUE), &unattributed));
	m->credit += pg_int(r, i, COL_CREDIT);
	m->unattributed += pg_int(r, i, COL_UNATTRIBUTED);
	m->value_minor += value;
	m->unattributed_value_minor += unattributed;
	return true;
}

static void take_rows(struct report *rep, const PGresult *r)
{
	const int n = PQntuples(r);
	bool fits = n < REPORT_ROWS_MAX * ROWS_PER_KEY;
	for (int i = 0; fits && i < n; i++)
		fits = take_row(rep, r, i);
	if (fits && report_finish(rep))
		rep->status = REPORT_OK;
	else
		report_refuse(rep, "limit",
			      "the answer has more than 50000 rows; expected fewer periods");
}

static enum err read_rows(struct pg *pg, struct report *rep)
{
	const struct report_question *q = &rep->question;
	enum { CAMPAIGNS, LOWS, HIGHS, SOURCES, TYPES, MODEL_NAMES, TEXTS };
	struct buf texts[TEXTS] = {BUF_INIT};
	const char *models[MODELS];
	char count[NUMBER_MAX], most[NUMBER_MAX];
	for (uint32_t i = 0; i < q->n_models; i++)
		models[i] = model_word(q->models[i]);
	add_uuids(&texts[CAMPAIGNS], q);
	add_spans(rep, false, &texts[LOWS]);
	add_spans(rep, true, &texts[HIGHS]);
	add_texts(&texts[SOURCES], q->sources.names, q->sources.n);
	add_texts(&texts[TYPES], q->types.names, q->types.n);
	add_texts(&texts[MODEL_NAMES], models, q->n_models);
	snprintf(count, sizeof(count), "%" PRIu32, rep->periods.n > 0 ? rep->periods.n : 1);
	snprintf(most, sizeof(most), "%d", REPORT_ROWS_MAX * ROWS_PER_KEY);
	const char *const params[] = {
		texts[CAMPAIGNS].data,
		texts[LOWS].data,
		texts[HIGHS].data,
		count,
		breakdown_word(q->breakdown),
		q->sources.n > 0 ? texts[SOURCES].data : NULL,
		q->sources.negated ? "t" : "f",
		q->types.n > 0 ? texts[TYPES].data : NULL,
		q->types.negated ? "t" : "f",
		texts[MODEL_NAMES].data,
		most,
	};
	PGresult *r;
	rep->as_of_ns = clock_mono_ns();
	const enum err e = pg_run(pg, SQL_report_rows, (int)ARRAY_LEN(params), params, &r);
	if (e == ERR_OK)
		take_rows(rep, r);
	PQclear(r);
	for (int i = 0; i < TEXTS; i++)
		buf_release(&texts[i]);
	return e;
}

enum err reports_answer(struct pg *pg, struct zones *zones, struct report *rep)
{
	rep->status = REPORT_FAILED;
	enum err e = settle(pg, zones, rep);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = read_head(pg, rep);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = cut(pg, rep);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = read_rows(pg, rep);
	return e;
}
