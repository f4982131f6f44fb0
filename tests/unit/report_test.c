/*
 * Unit tests of reports: cutting ranges into periods, collecting rows, and writing them.
 */
#include "test.h"

#include "domain/report.h"
#include "net/table.h"

static int32_t day(const char *text)
{
	int32_t d = 0;
	assert_true(date_parse(text, strlen(text), &d));
	return d;
}

/* All periods as "LABEL=FIRST..LAST<BEFORE-FIRST..BEFORE-LAST " in one text. */
static const char *cut(enum group_by group, const char *from, const char *to, const char *cursor,
		       uint32_t limit)
{
	static char text[4096];
	struct periods p;
	char label[PERIOD_TEXT_MAX], dates[4][DATE_TEXT_LEN + 1];
	const int64_t place = cursor != NULL ? day(cursor) : 0;
	size_t len = 0;
	periods_of_days(group, day(from), day(to), cursor != NULL ? &place : NULL, limit, &p);
	text[0] = '\0';
	for (uint32_t i = 0; i < p.n; i++) {
		const struct period *period = &p.items[i];
		period_format(group, &period->now, label);
		date_format(period->now.first, dates[0]);
		date_format(period->now.end - 1, dates[1]);
		date_format(period->before.first, dates[2]);
		date_format(period->before.end - 1, dates[3]);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%s..%s<%s..%s ", label,
					dates[0], dates[1], dates[2], dates[3]);
		assert_true(period->now.low_s == (int64_t)period->now.first * 86400);
	}
	if (p.more)
		(void)snprintf(text + len, sizeof(text) - len, "more");
	periods_release(&p);
	return text;
}

static void days_are_cut_into_periods(void **state)
{
	(void)state;
	assert_string_equal(cut(GROUP_DAILY, "2026-03-01", "2026-03-02", NULL, 10),
			    "2026-03-02=2026-03-02..2026-03-02<2026-02-28..2026-02-28 "
			    "2026-03-01=2026-03-01..2026-03-01<2026-02-27..2026-02-27 ");
	/* The ends are cut, and the weeks before as well. */
	assert_string_equal(cut(GROUP_WEEKLY, "2026-11-04", "2026-11-10", NULL, 10),
			    "2026-11-09=2026-11-09..2026-11-10<2026-10-26..2026-10-27 "
			    "2026-11-02=2026-11-04..2026-11-08<2026-10-21..2026-10-25 ");
	/* Whole months go back to whole months, a part of one to the same part. */
	assert_string_equal(cut(GROUP_MONTHLY, "2026-02-10", "2026-03-31", NULL, 10),
			    "2026-03=2026-03-01..2026-03-31<2026-01-01..2026-01-31 "
			    "2026-02=2026-02-10..2026-02-28<2025-12-10..2025-12-31 ");
	assert_string_equal(cut(GROUP_MONTHLY, "2026-03-31", "2026-03-31", NULL, 10),
			    "2026-03=2026-03-31..2026-03-31<2026-02-28..2026-02-28 ");
	assert_string_equal(cut(GROUP_TOTAL, "2026-01-01", "2026-01-31", NULL, 1),
			    "2026-01-01/2026-01-31=2026-01-01..2026-01-31<2025-12-01..2025-12-31 ");
}

static void pages_follow_each_other(void **state)
{
	(void)state;
	assert_string_equal(cut(GROUP_WEEKLY, "2026-10-28", "2026-11-10", NULL, 2),
			    "2026-11-09=2026-11-09..2026-11-10<2026-10-19..2026-10-20 "
			    "2026-11-02=2026-11-02..2026-11-08<2026-10-12..2026-10-18 more");
	assert_string_equal(cut(GROUP_WEEKLY, "2026-10-28", "2026-11-10", "2026-11-02", 2),
			    "2026-10-26=2026-10-28..2026-11-01<2026-10-07..2026-10-11 ");
	assert_string_equal(cut(GROUP_DAILY, "2026-10-28", "2026-11-10", "2026-10-28", 2), "");
	assert_string_equal(cut(GROUP_DAILY, "2026-10-28", "2026-11-10", "2020-10-28", 2), "");
}

static void hours_keep_their_offset(void **state)
{
	(void)state;
	/* The hours around the end of summer time in Berlin, 2026-10-25. */
	const int64_t end = 1792893600 + 3600;
	const int64_t lows[] = {end - 4 * 3600, end - 3 * 3600, end - 2 * 3600, end - 3600};
	const int32_t offsets[] = {7200, 7200, 3600, 3600};
	struct periods p;
	char label[PERIOD_TEXT_MAX];
	periods_of_hours(lows, offsets, 4, end, 86400, 10, true, &p);
	assert_int_equal(p.n, 4);
	assert_false(p.more);
	period_format(GROUP_HOURLY, &p.items[1].now, label);
	assert_string_equal(label, "2026-10-25T02:00+01:00");
	period_format(GROUP_HOURLY, &p.items[2].now, label);
	assert_string_equal(label, "2026-10-25T02:00+02:00");
	assert_true(p.items[0].before.low_s == lows[3] - 86400);
	periods_release(&p);
	periods_of_hours(lows, offsets, 4, end, 86400, 10, false, &p);
	assert_int_equal(p.n, 3); /* the first may have begun before */
	assert_true(p.more && p.next == lows[1]);
	periods_release(&p);
	const int32_t nepal = 20700, newfoundland = -12600;
	const struct span a = {.low_s = 0, .offset_s = nepal},
			  b = {.low_s = 0, .offset_s = newfoundland};
	period_format(GROUP_HOURLY, &a, label);
	assert_string_equal(label, "1970-01-01T05:45+05:45");
	period_format(GROUP_HOURLY, &b, label);
	assert_string_equal(label, "1969-12-31T20:30-03:30");
}

static struct report *report_of(enum breakdown b, uint32_t periods)
{
	struct report *rep = report_new();
	rep->question.breakdown = b;
	periods_of_days(GROUP_DAILY, 1, (int32_t)periods, NULL, 100, &rep->periods);
	return rep;
}

static void rows_merge_and_vanish(void **state)
{
	(void)state;
	struct report *rep = report_of(BREAKDOWN_SOURCE, 3);
	report_add(rep, 0, "a")->now.clicks = 1;
	report_add(rep, 0, "a")->now.models[0].credit = 2 * CREDIT_WHOLE;
	report_add(rep, 1, "a")->now.clicks = 0;
	report_add(rep, 2, "b")->before.clicks = 5;
	assert_int_equal(rep->n, 3);
	assert_true(report_finish(rep));
	assert_int_equal(rep->n, 2);
	assert_true(rep->rows[0].now.clicks == 1 && rep->rows[0].now.models[0].credit == 2000000);
	assert_int_equal(rep->rows[1].period, 2);
	rep->question.zero_fill = true;
	assert_true(report_finish(rep));
	assert_int_equal(rep->n, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(rep->rows[i].period, i / 2);
		assert_string_equal(rep->rows[i].key, i % 2 == 0 ? "a" : "b");
	}
	assert_int_equal(rep->rows[5].before.clicks, 5);
	report_free(rep);
	rep = report_of(BREAKDOWN_NONE, 3);
	rep->question.zero_fill = true;
	assert_true(report_finish(rep));
	assert_int_equal(rep->n, 3);
	report_free(rep);
}

static void too_many_rows_are_refused(void **state)
{
	(void)state;
	struct report *rep = report_of(BREAKDOWN_SOURCE, 2);
	char key[16];
	for (int i = 0; i < REPORT_ROWS_MAX; i++) {
		snprintf(key, sizeof(key), "%07d", i);
		struct report_row *row = report_add(rep, 0, key);
		assert_non_null(row);
		row->now.clicks = 1;
	}
	assert_null(report_add(rep, 1, "x"));
	assert_true(report_finish(rep));
	rep->question.zero_fill = true;
	assert_false(report_finish(rep));
	report_free(rep);
}

static void grids_are_filled_in_any_order(void **state)
{
	(void)state;
	const char *keys[] = {"b", "a"};
	struct report *rep = report_of(BREAKDOWN_CAMPAIGN, 2);
	assert_true(report_grid(rep, keys, 2));
	assert_int_equal(rep->n, 4);
	report_cell(rep, 1, "b")->now.clicks = 3;
	report_cell(rep, 0, "b")->now.clicks = 1;
	report_cell(rep, 1, "b")->now.clicks++;
	assert_true(report_finish(rep));
	assert_int_equal(rep->n, 2);
	assert_true(rep->rows[0].period == 0 && rep->rows[0].now.clicks == 1);
	assert_true(rep->rows[1].period == 1 && rep->rows[1].now.clicks == 4);
	report_restart(rep);
	assert_int_equal(rep->n, 0);
	report_free(rep);
}

static void ranges_are_settled(void **state)
{
	(void)state;
	struct report *rep = report_new();
	assert_true(report_resolve(rep, 1000));
	assert_true(rep->question.from == 971 && rep->question.to == 1000);
	rep->question.has_from = rep->question.has_to = true;
	rep->question.from = rep->question.to - REPORT_DAYS_MAX;
	assert_false(report_resolve(rep, 1000));
	assert_string_equal(rep->field, "from");
	report_free(rep);
}

static void rows_as_text(void **state)
{
	(void)state;
	struct report *rep = report_of(BREAKDOWN_TYPE, 1);
	struct buf out = BUF_INIT;
	rep->question.models[1] = MODEL_LINEAR;
	rep->question.n_models = 2;
	rep->question.previous = true;
	report_add(rep, 0, NULL)->now.clicks = 8;
	struct report_row *row = report_add(rep, 0, "a,\"b");
	row->now.models[0] = (struct model_sums){.credit = CREDIT_WHOLE, .value_minor = 199};
	row->now.models[1] = (struct model_sums){.credit = 500000, .unattributed = 3};
	const unsigned some = 1u << MEASURE_CLICKS | 1u << MEASURE_CONVERSIONS | 1u << MEASURE_RATE;
	table_add_json(&out, rep, some, "\n", true);
	assert_string_equal(
		out.data,
		"{\"period\":\"1970-01-02\",\"type\":null,\"total_clicks\":8,\"total_conversions\":"
		"0,"
		"\"conversion_rate\":0,\"models\":{\"last_click\":{\"total_conversions\":0,"
		"\"conversion_rate\":0},\"linear\":{\"total_conversions\":0,\"conversion_rate\":0}}"
		","
		"\"previous\":{\"period\":\"1970-01-01\",\"total_clicks\":0,\"total_conversions\":"
		"0,"
		"\"conversion_rate\":0,\"models\":{\"last_click\":{\"total_conversions\":0,"
		"\"conversion_rate\":0},\"linear\":{\"total_conversions\":0,"
		"\"conversion_rate\":0}}}}\n"
		"{\"period\":\"1970-01-02\",\"type\":\"a,\\\"b\",\"total_clicks\":0,"
		"\"total_conversions\":1,\"conversion_rate\":12.5,\"models\":{\"last_click\":{"
		"\"total_conversions\":1,\"conversion_rate\":12.5},\"linear\":{"
		"\"total_conversions\":0.5,\"conversion_rate\":6.25}},"
		"\"previous\":{\"period\":\"1970-01-01\",\"total_clicks\":0,\"total_conversions\":"
		"0,"
		"\"conversion_rate\":0,\"models\":{\"last_click\":{\"total_conversions\":0,"
		"\"conversion_rate\":0},\"linear\":{\"total_conversions\":0,"
		"\"conversion_rate\":0}}}}\n");
	buf_clear(&out);
	rep->question.n_models = 1;
	table_add_csv(&out, rep, 1u << MEASURE_CLICKS | 1u << MEASURE_VALUE);
	assert_string_equal(out.data, "period,type,total_clicks,total_value,previous.period,"
				      "previous.total_clicks,previous.total_value\r\n"
				      "1970-01-02,,8,0.00,1970-01-01,0,0.00\r\n"
				      "1970-01-02,\"a,\"\"b\",0,1.99,1970-01-01,0,0.00\r\n");
	buf_release(&out);
	report_free(rep);
}

static void parts_of_conversions(void **state)
{
	(void)state;
	static const struct {
		int64_t credit;
		const char *line;
	} rows[] = {{3 * CREDIT_WHOLE, "1970-01-02,3\r\n"}, {333333, "1970-01-02,0.333333\r\n"},
		    {2500000, "1970-01-02,2.5\r\n"},	    {1000001, "1970-01-02,1.000001\r\n"},
		    {-250000, "1970-01-02,-0.25\r\n"},	    {-1250000, "1970-01-02,-1.25\r\n"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct report *rep = report_of(BREAKDOWN_NONE, 1);
		struct buf out = BUF_INIT;
		report_add(rep, 0, NULL)->now.models[0].credit = rows[i].credit;
		table_add_csv(&out, rep, 1u << MEASURE_CONVERSIONS);
		assert_string_equal(strchr(out.data, '\n') + 1, rows[i].line);
		buf_release(&out);
		report_free(rep);
	}
	assert_true(conversion_rate(3 * CREDIT_WHOLE, 0) == 0.0);
	assert_true(conversion_rate(CREDIT_WHOLE, 8) == 12.5);
}

static void rates(void **state)
{
	(void)state;
	static const struct {
		double rate;
		const char *text;
	} rows[] = {{0, "0"},
		    {100, "100"},
		    {12.5, "12.5"},
		    {0.1, "0.1"},
		    {100.0 / 3, "33.333333333333336"}};
	char text[RATE_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rate_format(rows[i].rate, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_are_cut_into_periods),
		cmocka_unit_test(pages_follow_each_other),
		cmocka_unit_test(hours_keep_their_offset),
		cmocka_unit_test(rows_merge_and_vanish),
		cmocka_unit_test(too_many_rows_are_refused),
		cmocka_unit_test(grids_are_filled_in_any_order),
		cmocka_unit_test(ranges_are_settled),
		cmocka_unit_test(rows_as_text),
		cmocka_unit_test(parts_of_conversions),
		cmocka_unit_test(rates),
	};
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
