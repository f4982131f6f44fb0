/*
 * Pages of exports.
 *
 * Runs on exporters.
 *
 * page_note: a page looks at a bounded number of rows, whether they fit the campaigns or not, so
 * that it takes a bounded time and memory; its last row comes in any case, and the next page begins
 * behind it. Credits come as a row for each touch of a conversion and are shared here as they are
 * when they are booked; their pages are bounded by touches as well, since a path may be long.
 */
#include "store/exports.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/cells.h"
#include "domain/export_row.h"
#include "store/statement.h"
#include "util/datetime.h"
#include "util/money.h"

#define TOUCHES "1000" /* of a page, but for its last conversion's */
#define NUMBER_MAX 24
#define TIME_MAX 32 /* a time with microseconds */
#define US_PER_MS 1000
#define US_PER_DAY (MS_PER_DAY * US_PER_MS)
#define PARAMS 7

/* Rows to look at in a page: all of them, or to find those of some campaigns. */
static const struct {
	enum sql sql;
	const char *table;
	const char *rows, *rows_of_campaigns;
	int n_params;
} pages[EXPORT_KINDS] = {
	[EXPORT_CLICKS] = {SQL_export_clicks, "click_events", "5000", "20000", 6},
	[EXPORT_CONVERSIONS] = {SQL_export_conversions, "conversion_events", "5000", "20000", 6},
	[EXPORT_CREDITS] = {SQL_export_credits, "conversion_events", "1000", "10000", PARAMS},
};

/* The columns of the statements; the first ones are the same in all of them. */
enum { COL_ID, COL_TIME, COL_FITS, COL_MORE, COL_OWN };
enum { COL_CLICK_USER = COL_OWN, COL_CLICK_CAMPAIGN, COL_CLICK_SOURCE };
enum {
	COL_CONVERSION_USER = COL_OWN,
	COL_CONVERSION_CAMPAIGN,
	COL_CONVERSION_SOURCE,
	COL_CONVERSION_TYPE,
	COL_CONVERSION_VALUE,
	COL_CONVERSION_NAMED,
	COL_LAST_ID,
	COL_LAST_TIME,
	COL_LAST_CAMPAIGN,
	COL_LAST_SOURCE,
	COL_ADJUSTED,
	COL_CANCELLED,
};
enum {
	COL_CREDIT_VALUE = COL_OWN,
	COL_TOUCHES,
	COL_PLACE,
	COL_EXTRA,
	COL_TOUCH_ID,
	COL_TOUCH_TIME,
	COL_TOUCH_CAMPAIGN,
	COL_TOUCH_SOURCE,
	COL_CREDITS, /* and so many more as there are models */
};

/* A page that was read, being written. */
struct writing {
	struct export *x;
	const PGresult *r;
	struct export_place place; /* of the row that is written */
};

/* --- asking --- */

static void format_time(int64_t time_us, char out[TIME_MAX])
{
	int64_t ms = time_us / US_PER_MS, us = time_us % US_PER_MS;
	if (us < 0) {
		us += US_PER_MS;
		ms--;
	}
	datetime_write(ms, out);
	(void)snprintf(out + RFC3339_TEXT_LEN - 1, TIME_MAX - RFC3339_TEXT_LEN, "%03dZ", (int)us);
}

static int64_t begin_of(int32_t month)
{
	return month == EXPORT_MONTH_PAST ? INT64_MIN : month * US_PER_DAY;
}

static int64_t end_of(int32_t month)
{
	if (month == EXPORT_MONTH_FUTURE)
		return INT64_MAX;
	return begin_of(month == EXPORT_MONTH_PAST ? EXPORT_MONTH_FIRST : month_add(month, 1));
}

/* The dates of the month that are asked for. */
static void format_range(const struct export *x, char from[TIME_MAX], char before[TIME_MAX])
{
	const struct export_question *q = &x->question;
	const int64_t begin_us = begin_of(x->month), end_us = end_of(x->month);
	(void)snprintf(from, TIME_MAX, "-infinity");
	(void)snprintf(before, TIME_MAX, "infinity");
	if (q->has_from && q->from_us > begin_us)
		format_time(q->from_us, from);
	else if (begin_us != INT64_MIN)
		format_time(begin_us, from);
	if (q->has_to && q->to_us < end_us)
		format_time(q->to_us, before);
	else if (end_us != INT64_MAX)
		format_time(end_us, before);
}

static void format_place(const struct export *x, char id[UUID_TEXT_LEN + 1], char time[TIME_MAX])
{
	static const struct uuid nil;
	uuid_format(x->has_place ? &x->place.id : &nil, id);
	(void)snprintf(time, TIME_MAX, "-infinity");
	if (!x->has_place)
		return;
	/* Some of the conversion's credits are still to come: it is read once more. */
	const bool again = x->question.kind == EXPORT_CREDITS && x->place.model < MODELS;
	format_time(x->place.time_us - (again ? 1 : 0), time);
}

static void write_campaigns(const struct export_question *q, struct buf *out)
{
	char id[UUID_TEXT_LEN + 1];
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		uuid_format(&q->campaigns[i], id);
		buf_addf(out, "%c%s", i == 0 ? '{' : ',', id);
	}
	buf_addc(out, '}');
}

static enum err read_page(struct pg *pg, const struct export *x, PGresult **r)
{
	const struct export_question *q = &x->question;
	char from[TIME_MAX], before[TIME_MAX], id[UUID_TEXT_LEN + 1], time[TIME_MAX];
	struct buf campaigns = BUF_INIT;
	const bool all = q->n_campaigns == 0;
	format_range(x, from, before);
	format_place(x, id, time);
	write_campaigns(q, &campaigns);
	const char *const params[PARAMS] = {
		from,
		before,
		id,
		time,
		all ? pages[q->kind].rows : pages[q->kind].rows_of_campaigns,
		all ? NULL : campaigns.data,
		TOUCHES,
	};
	const enum err e = pg_run(pg, pages[q->kind].sql, pages[q->kind].n_params, params, r);
	buf_release(&campaigns);
	return e;
}

/* The month behind the present one that may have something to export; false: none. */
static enum err next_month(struct pg *pg, const struct export *x, int32_t *month, bool *found)
{
	const struct export_question *q = &x->question;
	char day[NUMBER_MAX];
	(void)snprintf(day, sizeof(day), "%" PRId32, x->month);
	const char *const params[] = {pages[q->kind].table, day};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_export_month, 2, params, &r);
	*found = e == ERR_OK && !PQgetisnull(r, 0, 0);
	if (*found)
		*month = (int32_t)pg_int(r, 0, 0);
	PQclear(r);
	if (*found && q->has_to && begin_of(*month) >= q->to_us)
		*found = false;
	return e;
}

/* --- writing --- */

static bool is_full(const struct export *x)
{
	return x->rows >= x->question.limit;
}

static const char *text_or_null(const struct writing *w, int row, int column)
{
	return PQgetisnull(w->r, row, column) ? NULL : PQgetvalue(w->r, row, column);
}

/* The time of a column, as the API writes times; NULL: there is none. */
static const char *time_text(const struct writing *w, int row, int column, char out[TIME_MAX])
{
	if (PQgetisnull(w->r, row, column))
		return NULL;
	format_time(pg_int(w->r, row, column), out);
	(void)snprintf(out + RFC3339_TEXT_LEN - 1, TIME_MAX - RFC3339_TEXT_LEN, "Z");
	return out;
}

static void enter_row(struct writing *w, int row)
{
	w->place = (struct export_place){.time_us = pg_int(w->r, row, COL_TIME), .model = MODELS};
	ASSERT(uuid_parse(PQgetvalue(w->r, row, COL_ID), UUID_TEXT_LEN, &w->place.id));
}

static void add_row(struct writing *w, const char *const *texts)
{
	struct export *x = w->x;
	char cursor[EXPORT_CURSOR_MAX];
	export_cursor_format(x->question.kind, &w->place, cursor);
	export_row_add(&x->text, &x->question, texts, cursor);
	x->rows++;
	x->place = w->place;
	x->has_place = true;
}

static void add_click(struct writing *w, int row)
{
	char date[TIME_MAX];
	const char *const texts[] = {
		[EXPORT_CLICK_EVENT] = "click",
		[EXPORT_CLICK_ID] = PQgetvalue(w->r, row, COL_ID),
		[EXPORT_CLICK_USER] = PQgetvalue(w->r, row, COL_CLICK_USER),
		[EXPORT_CLICK_CAMPAIGN] = PQgetvalue(w->r, row, COL_CLICK_CAMPAIGN),
		[EXPORT_CLICK_SOURCE] = PQgetvalue(w->r, row, COL_CLICK_SOURCE),
		[EXPORT_CLICK_DATE] = time_text(w, row, COL_TIME, date),
	};
	add_row(w, texts);
}

static void add_conversion(struct writing *w, int row)
{
	char date[TIME_MAX], last_date[TIME_MAX], value[MONEY_TEXT_MAX], adjusted[MONEY_TEXT_MAX];
	const bool is_adjusted = !PQgetisnull(w->r, row, COL_ADJUSTED);
	if (is_adjusted)
		(void)money_format(pg_int(w->r, row, COL_ADJUSTED), adjusted);
	(void)money_format(pg_int(w->r, row, COL_CONVERSION_VALUE), value);
	const char *const texts[] = {
		[EXPORT_CONVERSION_EVENT] = "conversion",
		[EXPORT_CONVERSION_ID] = PQgetvalue(w->r, row, COL_ID),
		[EXPORT_CONVERSION_USER] = PQgetvalue(w->r, row, COL_CONVERSION_USER),
		[EXPORT_CONVERSION_CAMPAIGN] = text_or_null(w, row, COL_CONVERSION_CAMPAIGN),
		[EXPORT_CONVERSION_SOURCE] = text_or_null(w, row, COL_CONVERSION_SOURCE),
		[EXPORT_CONVERSION_TYPE] = PQgetvalue(w->r, row, COL_CONVERSION_TYPE),
		[EXPORT_CONVERSION_VALUE] = value,
		[EXPORT_CONVERSION_ADJUSTED] = is_adjusted ? adjusted : NULL,
		[EXPORT_CONVERSION_CANCELLED] =
			*PQgetvalue(w->r, row, COL_CANCELLED) == 't' ? "true" : "false",
		[EXPORT_CONVERSION_DATE] = time_text(w, row, COL_TIME, date),
		[EXPORT_CONVERSION_NAMED] = text_or_null(w, row, COL_CONVERSION_NAMED),
		[EXPORT_CONVERSION_LAST_ID] = text_or_null(w, row, COL_LAST_ID),
		[EXPORT_CONVERSION_LAST_DATE] = time_text(w, row, COL_LAST_TIME, last_date),
		[EXPORT_CONVERSION_LAST_CAMPAIGN] = text_or_null(w, row, COL_LAST_CAMPAIGN),
		[EXPORT_CONVERSION_LAST_SOURCE] = text_or_null(w, row, COL_LAST_SOURCE),
	};
	add_row(w, texts);
}

static bool has_campaign(const struct export_question *q, const char *text)
{
	struct uuid id;
	if (q->n_campaigns == 0)
		return true;
	ASSERT(uuid_parse(text, UUID_TEXT_LEN, &id));
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		if (uuid_is_equal(&q->campaigns[i], &id))
			return true;
	}
	return false;
}

/* What the model of w->place gives a touch, which is in row @row of the page. */
static void add_credit(struct writing *w, int row, int64_t value_minor)
{
	const enum model m = (enum model)w->place.model;
	char date[TIME_MAX], click_date[TIME_MAX], value[MONEY_TEXT_MAX];
	(void)money_format(value_minor, value);
	const char *const texts[] = {
		[EXPORT_CREDIT_CONVERSION] = PQgetvalue(w->r, row, COL_ID),
		[EXPORT_CREDIT_CONVERSION_DATE] = time_text(w, row, COL_TIME, date),
		[EXPORT_CREDIT_MODEL] = model_word(m),
		[EXPORT_CREDIT_PLACE] = PQgetvalue(w->r, row, COL_PLACE),
		[EXPORT_CREDIT_EXTRA] = *PQgetvalue(w->r, row, COL_EXTRA) == 't' ? "true" : "false",
		[EXPORT_CREDIT_CLICK] = PQgetvalue(w->r, row, COL_TOUCH_ID),
		[EXPORT_CREDIT_CLICK_DATE] = time_text(w, row, COL_TOUCH_TIME, click_date),
		[EXPORT_CREDIT_CAMPAIGN] = PQgetvalue(w->r, row, COL_TOUCH_CAMPAIGN),
		[EXPORT_CREDIT_SOURCE] = PQgetvalue(w->r, row, COL_TOUCH_SOURCE),
		[EXPORT_CREDIT_CREDIT] = text_or_null(w, row, COL_CREDITS + (int)m),
		[EXPORT_CREDIT_VALUE] = value,
	};
	add_row(w, texts);
}

/* The credits of one model, for the touches in @n rows from @first on; what stands before @begin
 * was written before. */
static void add_model(struct writing *w, int first, uint32_t n, enum model m,
		      const struct export_place *begin)
{
	int32_t credits[PATH_MAX_LIMIT + 2];
	int64_t values[PATH_MAX_LIMIT + 2] = {0};
	for (uint32_t i = 0; i < n; i++)
		credits[i] = (int32_t)pg_int(w->r, first + (int)i, COL_CREDITS + (int)m);
	(void)!cells_share(credits, n, pg_int(w->r, first, COL_CREDIT_VALUE), values);
	w->place.model = (int32_t)m;
	for (uint32_t i = 0; i < n && !is_full(w->x); i++) {
		const int row = first + (int)i;
		w->place.touch = (int32_t)i + 1;
		if ((begin == NULL || export_is_behind(w->place.model, w->place.touch, begin)) &&
		    has_campaign(&w->x->question, PQgetvalue(w->r, row, COL_TOUCH_CAMPAIGN)))
			add_credit(w, row, values[i]);
	}
}

/* All credits of the conversion whose touches begin at @row; where the next one's begin. */
static int add_credits(struct writing *w, int row)
{
	const struct export *x = w->x;
	const struct export_place old = x->place;
	const bool goes_on = x->has_place && old.model < MODELS &&
			     old.time_us == w->place.time_us &&
			     uuid_is_equal(&old.id, &w->place.id);
	if (PQgetisnull(w->r, row, COL_PLACE)) /* no touches */
		return row + 1;
	const uint32_t n = (uint32_t)pg_int(w->r, row, COL_TOUCHES);
	ASSERT(n >= 1 && n <= PATH_MAX_LIMIT + 2 && row + (int)n <= PQntuples(w->r));
	for (int m = 0; m < MODELS && !is_full(x); m++) {
		if ((x->question.models >> m & 1) != 0)
			add_model(w, row, n, (enum model)m, goes_on ? &old : NULL);
	}
	return row + (int)n;
}

static int add_one(struct writing *w, int row)
{
	enter_row(w, row);
	if (*PQgetvalue(w->r, row, COL_FITS) != 't')
		return row + 1;
	if (w->x->question.kind == EXPORT_CREDITS)
		return add_credits(w, row);
	if (w->x->question.kind == EXPORT_CLICKS)
		add_click(w, row);
	else
		add_conversion(w, row);
	return row + 1;
}

static void write_page(struct export *x, const PGresult *r)
{
	struct writing w = {.x = x, .r = r};
	const int n = PQntuples(r);
	for (int row = 0; row < n && !is_full(x);)
		row = add_one(&w, row);
	if (n == 0 || is_full(x))
		return;
	/* See page_note: behind everything of what was looked at last. */
	enter_row(&w, n - 1);
	x->place = w.place;
	x->has_place = true;
}

static void begin(struct export *x)
{
	const struct export_question *q = &x->question;
	x->is_begun = true;
	x->has_place = q->has_cursor;
	x->place = q->cursor;
	x->month = EXPORT_MONTH_PAST;
	if (q->has_cursor)
		x->month = export_month_of(q->cursor.time_us);
	else if (q->has_from)
		x->month = export_month_of(q->from_us);
}

enum err exports_page(struct pg *pg, struct export *x)
{
	PGresult *r;
	int32_t month = 0;
	bool goes_on = true;
	x->status = EXPORT_FAILED;
	buf_clear(&x->text);
	if (!x->is_begun)
		begin(x);
	enum err e = read_page(pg, x, &r);
	if (e != ERR_OK)
		return e;
	const int n = PQntuples(r);
	const bool is_over = n == 0 || *PQgetvalue(r, n - 1, COL_MORE) != 't';
	if (is_over)
		e = next_month(pg, x, &month, &goes_on);
	if (e == ERR_OK) {
		write_page(x, r);
		x->status = goes_on && !is_full(x) ? EXPORT_MORE : EXPORT_DONE;
	}
	if (e == ERR_OK && is_over && !is_full(x)) {
		x->month = month;
		x->has_place = false;
	}
	PQclear(r);
	return e;
}
