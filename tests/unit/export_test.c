/*
 * Unit tests of exports: parameters, cursors, months, and rows as text.
 */
#include "test.h"

#include "domain/export_row.h"
#include "net/export_wish.h"
#include "util/datetime.h"

#define ID "018f0000-0000-7000-8000-00000000000"

static struct export *x;
static struct wish_error error;

/* Read a query; what was read before is freed. */
static bool read(enum export_kind kind, const char *query)
{
	export_free(x);
	x = export_new();
	return export_wish_read(kind, query, NULL, &x->question, &error);
}

static int64_t us_of(const char *text)
{
	int64_t ms = 0;
	assert_true(datetime_parse(text, strlen(text), &ms));
	return ms * 1000;
}

static void parameters(void **state)
{
	(void)state;
	const struct export_question *q;
	assert_true(read(EXPORT_CLICKS, NULL));
	q = &x->question;
	assert_true(q->limit == EXPORT_ROWS_ALL && q->format == EXPORT_NDJSON && !q->has_cursor);
	assert_true(!q->has_from && !q->has_to && q->n_campaigns == 0);
	assert_true(read(EXPORT_CREDITS, "from=2026-01-02&to=2026-01-31&limit=7&format=csv"
					 "&model=linear,last_click&model=time_decay"));
	q = &x->question;
	assert_true(q->from_us == us_of("2026-01-02T00:00:00Z"));
	assert_true(q->to_us == us_of("2026-02-01T00:00:00Z"));
	assert_true(q->limit == 7 && q->format == EXPORT_CSV);
	assert_int_equal(q->models,
			 1u << MODEL_LINEAR | 1u << MODEL_LAST_CLICK | 1u << MODEL_TIME_DECAY);
	assert_true(read(EXPORT_CONVERSIONS, "from=2026-01-02T03:04:05.678%2B01:00"
					     "&to=2026-01-02T03:04:05Z&campaign_id=" ID "1,none"
					     "&campaign_id=" ID "2," ID "1"));
	q = &x->question;
	assert_true(q->from_us == us_of("2026-01-02T02:04:05.678Z"));
	assert_true(q->to_us == us_of("2026-01-02T03:04:05Z"));
	assert_int_equal(q->n_campaigns, 3);
	assert_int_equal(q->models, (1u << MODELS) - 1);
}

static void bad_parameters(void **state)
{
	(void)state;
	static const struct {
		enum export_kind kind;
		const char *query, *field;
	} bad[] = {
		{EXPORT_CLICKS, "from=yesterday", "from"},
		{EXPORT_CLICKS, "from=2026-02-30", "from"},
		{EXPORT_CLICKS, "from=2026-01-01T00:00:00", "from"},
		{EXPORT_CLICKS, "to=", "to"},
		{EXPORT_CLICKS, "from=2026-01-02&to=2026-01-01", "from"},
		{EXPORT_CLICKS, "from=2026-01-01T01:00:00Z&to=2026-01-01T01:00:00Z", "from"},
		{EXPORT_CLICKS, "from=2026-01-01&from=2026-01-01", "from"},
		{EXPORT_CLICKS, "campaign_id=", "campaign_id"},
		{EXPORT_CLICKS, "campaign_id=none", "campaign_id"},
		{EXPORT_CREDITS, "campaign_id=none", "campaign_id"},
		{EXPORT_CLICKS, "campaign_id=" ID "1,", "campaign_id"},
		{EXPORT_CLICKS, "model=linear", "model"},
		{EXPORT_CREDITS, "model=best", "model"},
		{EXPORT_CREDITS, "model=", "model"},
		{EXPORT_CLICKS, "limit=0", "limit"},
		{EXPORT_CLICKS, "limit=-1", "limit"},
		{EXPORT_CLICKS, "limit=1000000001", "limit"},
		{EXPORT_CLICKS, "limit=", "limit"},
		{EXPORT_CLICKS, "cursor=", "cursor"},
		{EXPORT_CLICKS, "cursor=conversions.0." ID "1", "cursor"},
		{EXPORT_CLICKS, "format=json", "format"},
		{EXPORT_CLICKS, "since=1", "since"},
		{EXPORT_CLICKS, "x=%", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(read(bad[i].kind, bad[i].query));
		assert_string_equal(error.field, bad[i].field);
	}
}

static void formats(void **state)
{
	(void)state;
	static const struct {
		const char *query, *accept;
		enum export_format format;
	} cases[] = {
		{NULL, NULL, EXPORT_NDJSON},
		{NULL, "*/*", EXPORT_NDJSON},
		{NULL, "text/csv", EXPORT_CSV},
		{NULL, "application/x-ndjson, text/csv", EXPORT_NDJSON},
		{NULL, "Text/CSV, application/x-ndjson", EXPORT_CSV},
		{"format=ndjson", "text/csv", EXPORT_NDJSON},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		export_free(x);
		x = export_new();
		assert_true(export_wish_read(EXPORT_CLICKS, cases[i].query, cases[i].accept,
					     &x->question, &error));
		assert_int_equal(x->question.format, cases[i].format);
	}
}

/* A cursor says where its row stands, and one that was cut anywhere says nothing. */
static void cursors(void **state)
{
	(void)state;
	struct rng rng = rng_start();
	for (int i = 0; i < 200; i++) {
		const enum export_kind kind = (enum export_kind)rng_below(&rng, EXPORT_KINDS);
		struct export_place place = {
			.time_us = (int64_t)rng_below(&rng, 4000000000000000) - 1000000000000000,
			.model = MODELS,
		};
		struct export_place again;
		char text[EXPORT_CURSOR_MAX];
		for (size_t b = 0; b < sizeof(place.id); b++)
			((unsigned char *)&place.id)[b] = (unsigned char)rng_below(&rng, 256);
		if (kind == EXPORT_CREDITS) {
			place.model = (int32_t)rng_below(&rng, MODELS);
			place.touch = (int32_t)rng_below(&rng, 1000) + 1;
		}
		export_cursor_format(kind, &place, text);
		assert_true(export_cursor_parse(kind, text, &again));
		assert_true(uuid_is_equal(&place.id, &again.id));
		assert_true(place.time_us == again.time_us && place.model == again.model &&
			    place.touch == again.touch);
		for (enum export_kind other = 0; other < EXPORT_KINDS; other++)
			assert_int_equal(export_cursor_parse(other, text, &again), other == kind);
		while (text[0] != '\0') {
			text[strlen(text) - 1] = '\0';
			assert_false(export_cursor_parse(kind, text, &again));
		}
	}
}

static void bad_cursors(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"credits.0." ID "1",
		"credits.0.6.1." ID "1",
		"credits.0.0.0." ID "1",
		"credits.0.-1.1." ID "1",
		"credits.0.0.1." ID "12",
		"credits.0. 0.1." ID "1",
		"credits.+1.0.1." ID "1",
		"credits.0.0.1e3." ID "1",
		"Credits.0.0.1." ID "1",
		"credits..0.1." ID "1",
		"credits.1.0.1.1." ID "1",
		"credits",
		"credits.9999999999999999999.0.1." ID "1",
	};
	struct export_place place;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(export_cursor_parse(EXPORT_CREDITS, bad[i], &place));
	assert_true(export_cursor_parse(EXPORT_CREDITS, "credits.-1.5.1002." ID "1", &place));
}

static void months(void **state)
{
	(void)state;
	static const struct {
		const char *time, *month;
	} cases[] = {
		{"2026-11-23T12:00:00Z", "2026-11-01"},	    {"2026-11-01T00:00:00Z", "2026-11-01"},
		{"2026-10-31T23:59:59.999Z", "2026-10-01"}, {"2000-01-01T00:00:00Z", "2000-01-01"},
		{"2099-12-31T23:59:59.999Z", "2099-12-01"}, {"2100-01-01T00:00:00Z", "2100-01-01"},
		{"2150-06-01T00:00:00Z", "2100-01-01"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[DATE_TEXT_LEN + 1];
		date_format(export_month_of(us_of(cases[i].time)), text);
		assert_string_equal(text, cases[i].month);
	}
	assert_int_equal(export_month_of(us_of("1999-12-31T23:59:59.999Z")), EXPORT_MONTH_PAST);
	assert_int_equal(export_month_of(-1), EXPORT_MONTH_PAST);
}

static void rows(void **state)
{
	(void)state;
	const char *const click[] = {
		[EXPORT_CLICK_EVENT] = "click",	     [EXPORT_CLICK_ID] = "1",
		[EXPORT_CLICK_USER] = "2",	     [EXPORT_CLICK_CAMPAIGN] = "3",
		[EXPORT_CLICK_SOURCE] = "a,\"b\"\n", [EXPORT_CLICK_DATE] = "5",
	};
	struct export_question q = {.kind = EXPORT_CLICKS};
	struct buf out = BUF_INIT;
	export_row_add(&out, &q, click, "c");
	assert_string_equal(
		out.data,
		"{\"event\":\"click\",\"click_id\":\"1\",\"user_id\":\"2\","
		"\"campaign_id\":\"3\",\"source\":\"a,\\\"b\\\"\\n\",\"click_date\":\"5\","
		"\"cursor\":\"c\"}\n");
	buf_clear(&out);
	q.format = EXPORT_CSV;
	export_row_add_header(&out, EXPORT_CLICKS);
	export_row_add(&out, &q, click, "c");
	assert_string_equal(out.data,
			    "event,click_id,user_id,campaign_id,source,click_date,cursor\r\n"
			    "click,1,2,3,\"a,\"\"b\"\"\n\",5,c\r\n");
	buf_clear(&out);
	const char *const credit[EXPORT_CREDIT_COLUMNS_N] = {
		[EXPORT_CREDIT_CONVERSION] = "1",
		[EXPORT_CREDIT_EXTRA] = "false",
		[EXPORT_CREDIT_CREDIT] = "333333",
	};
	q = (struct export_question){.kind = EXPORT_CREDITS};
	export_row_add(&out, &q, credit, "c");
	assert_non_null(strstr(out.data, "\"is_extra\":false,\"click_id\":null,"));
	assert_non_null(strstr(out.data, "\"credit\":333333,\"value\":null,\"cursor\":\"c\"}\n"));
	buf_release(&out);
}

static int end(void **state)
{
	(void)state;
	export_free(x);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),  cmocka_unit_test(bad_parameters),
		cmocka_unit_test(formats),     cmocka_unit_test(cursors),
		cmocka_unit_test(bad_cursors), cmocka_unit_test(months),
		cmocka_unit_test(rows),
	};
	return cmocka_run_group_tests_name("export", tests, NULL, end);
}
