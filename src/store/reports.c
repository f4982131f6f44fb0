/*
 * Reports from PostgreSQL.
 *
 * Runs on the query actors.
 *
 * one_note: which days are closed and clean, their packed quarters, and the buckets of the others
 * are read in one snapshot, so that the answer is what one commit left. Where a day of one campaign
 * is not clean, that day is summed from the buckets for all of them.
 */
#include "store/reports.h"

#include <stdlib.h>
#include <string.h>

#include "store/buckets.h"
#include "store/quarters.h"
#include "store/statement.h"
#include "util/clock.h"

#define DAY_S 86400
#define HOUR_S 3600

/* Days whose first instants are wanted, and where to. */
struct wanted {
	int32_t *days;
	int64_t **to;
	uint32_t n;
};

static struct span *span_of(const struct periods *p, uint32_t i, bool before)
{
	return before ? &p->items[i].before : &p->items[i].now;
}

static void want(struct wanted *w, int32_t day, int64_t *to)
{
	w->days[w->n] = day;
	w->to[w->n++] = to;
}

/* Does the span end where the newer one begins? */
static bool is_adjacent(const struct periods *p, uint32_t i, bool before)
{
	return i > 0 && span_of(p, i, before)->end == span_of(p, i - 1, before)->first;
}

static void want_spans(struct wanted *w, const struct periods *p, bool before)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct span *s = span_of(p, i, before);
		want(w, s->first, &s->low_s);
		if (!is_adjacent(p, i, before))
			want(w, s->end, &s->high_s);
	}
}

static void join_spans(const struct periods *p, bool before)
{
	for (uint32_t i = 0; i < p->n; i++) {
		if (is_adjacent(p, i, before))
			span_of(p, i, before)->high_s = span_of(p, i - 1, before)->low_s;
	}
}

/* Give the spans of @p the instants that their days begin at in the zone. */
static enum err place_days(struct pg *pg, const char *zone, struct periods *p, bool previous)
{
	const size_t room = (size_t)p->n * 4 + 1;
	struct wanted w = {.days = xcalloc(room, sizeof(*w.days)),
			   .to = xcalloc(room, sizeof(*w.to))};
	int64_t *instants = xcalloc(room, sizeof(*instants));
	for (int before = 0; before <= (previous ? 1 : 0); before++)
		want_spans(&w, p, before != 0);
	const enum err e = zone_days(pg, zone, w.days, w.n, instants);
	for (uint32_t i = 0; e == ERR_OK && i < w.n; i++)
		*w.to[i] = instants[i];
	for (int before = 0; before <= (previous ? 1 : 0); before++)
		join_spans(p, before != 0);
	free(w.days);
	free(w.to);
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

/* How far days are closed, which of them are not clean, and whether the campaigns are known. */
static enum err read_head(struct pg *pg, struct report *rep, struct dirty_days *dirty)
{
	struct buf campaigns = BUF_INIT;
	buckets_write_campaigns(&rep->question, &campaigns);
	const char *const params[] = {campaigns.data};
	PGresult *r;
	rep->as_of_ns = clock_mono_ns();
	const enum err e = pg_run(pg, SQL_report_head, 1, params, &r);
	if (e == ERR_OK) {
		const int n = PQntuples(r);
		rep->closed_through = (int32_t)pg_int(r, 0, 0);
		if (pg_int(r, 0, 1) > 0)
			rep->status = REPORT_NO_CAMPAIGN;
		dirty->days = xcalloc((size_t)n, sizeof(*dirty->days));
		for (int i = 0; i < n && !PQgetisnull(r, i, 2); i++)
			dirty->days[dirty->n++] = (int32_t)pg_int(r, i, 2);
	}
	PQclear(r);
	buf_release(&campaigns);
	return e;
}

/* Add what of @s is not in the packed quarters of clean days up to @through. */
static void add_unpacked(struct pieces *pieces, uint32_t period, bool before, const struct span *s,
			 int32_t through, const struct dirty_days *dirty)
{
	const int64_t open_s = ((int64_t)through + 1) * DAY_S;
	for (uint32_t i = 0; i < dirty->n && dirty->days[i] <= through; i++) {
		const int64_t low_s = (int64_t)dirty->days[i] * DAY_S;
		pieces_add(pieces, period, before, s->low_s > low_s ? s->low_s : low_s,
			   s->high_s < low_s + DAY_S ? s->high_s : low_s + DAY_S);
	}
	pieces_add(pieces, period, before, s->low_s > open_s ? s->low_s : open_s, s->high_s);
}

static void cut_pieces(const struct report *rep, int32_t through, const struct dirty_days *dirty,
		       struct pieces *pieces)
{
	const struct periods *p = &rep->periods;
	for (uint32_t i = 0; i < p->n; i++) {
		add_unpacked(pieces, i, false, &p->items[i].now, through, dirty);
		if (rep->question.previous)
			add_unpacked(pieces, i, true, &p->items[i].before, through, dirty);
	}
}

/* The keys of a grid: campaigns as texts in their order, or none. False: too many rows. */
static bool make_grid(struct report *rep)
{
	const struct report_question *q = &rep->question;
	const char *keys[REPORT_CAMPAIGNS_MAX] = {NULL};
	if (q->breakdown != BREAKDOWN_CAMPAIGN)
		return report_grid(rep, keys, 1);
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		char *text = arena_alloc(&rep->arena, UUID_TEXT_LEN + 1);
		uuid_format(&q->campaigns[i], text);
		keys[i] = text;
	}
	return report_grid(rep, keys, q->n_campaigns);
}

/* The UTC days that the periods lie in. */
static void range_of(const struct report *rep, int32_t *first, int32_t *last)
{
	const struct periods *p = &rep->periods;
	const struct period *oldest = &p->items[p->n - 1];
	const int64_t low_s = rep->question.previous ? oldest->before.low_s : oldest->now.low_s;
	*first = day_of_ms(low_s * 1000);
	*last = day_of_ms(p->items[0].now.high_s * 1000 - 1);
}

static enum err read_rows(struct pg *pg, struct report *rep, const struct dirty_days *dirty)
{
	struct pieces pieces = {0};
	int32_t first, last, through = INT32_MIN;
	enum err e = ERR_OK;
	if (rep->periods.n == 0)
		return ERR_OK;
	range_of(rep, &first, &last);
	if (first <= rep->closed_through && quarters_fit(&rep->question) && make_grid(rep)) {
		through = rep->closed_through;
		e = quarters_sum(pg, rep, first, last < through ? last : through, dirty);
	}
	cut_pieces(rep, through, dirty, &pieces);
	if (e == ERR_OK)
		e = buckets_sum(pg, rep, &pieces);
	pieces_release(&pieces);
	return e;
}

/* See one_note. */
static enum err read_snapshot(struct pg *pg, struct report *rep)
{
	struct dirty_days dirty = {0};
	enum err e = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	if (e == ERR_OK)
		e = read_head(pg, rep, &dirty);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = read_rows(pg, rep, &dirty);
	free(dirty.days);
	if (e == ERR_OK)
		e = pg_exec(pg, "COMMIT");
	if (e != ERR_OK)
		pg_rollback(pg);
	return e;
}

enum err reports_answer(struct pg *pg, struct zones *zones, struct report *rep)
{
	rep->status = REPORT_FAILED;
	enum err e = settle(pg, zones, rep);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = cut(pg, rep);
	if (e == ERR_OK && rep->status == REPORT_FAILED)
		e = read_snapshot(pg, rep);
	if (e != ERR_OK || rep->status != REPORT_FAILED)
		return e;
	if (report_finish(rep))
		rep->status = REPORT_OK;
	else
		report_refuse_size(rep);
	return ERR_OK;
}
