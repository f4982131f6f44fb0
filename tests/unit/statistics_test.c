/*
 * Unit tests of a statistics request's parameters.
 */
#include "test.h"

#include "net/wish.h"

#define ID "018f0000-0000-7000-8000-00000000000"
#define CAMPAIGN "campaign_id=" ID "1"
#define TODAY 20000
#define NOW_MS (TODAY * MS_PER_DAY + 12345)

static struct statistics_wish wish;
static struct wish_error error;

/* Read a query; what was read before is freed. */
static bool read(const char *query)
{
	report_free(wish.report);
	return statistics_wish_read(query, NULL, NOW_MS, &wish, &error);
}

static const struct report_question *question(void)
{
	return &wish.report->question;
}

static void defaults(void **state)
{
	(void)state;
	assert_true(read(CAMPAIGN));
	const struct report_question *q = question();
	assert_true(q->to == TODAY && q->from == TODAY - 29 && q->group_by == GROUP_DAILY);
	assert_true(q->n_models == 1 && q->models[0] == MODEL_LAST_CLICK);
	assert_true(wish.metrics == MEASURES_ALL && wish.format == FORMAT_JSON);
	assert_true(statistics_wish_is_plain(q));
	assert_true(read(CAMPAIGN "&to=1970-03-01&group_by=monthly"));
	assert_int_equal(question()->to, 59);
	assert_int_equal(question()->from, month_add(59, -11));
	assert_true(read(CAMPAIGN "&group_by="));
	assert_int_equal(question()->group_by, GROUP_DAILY);
	/* In another zone nobody here knows what day it is. */
	assert_true(read(CAMPAIGN "&tz=Asia/Kathmandu"));
	assert_false(question()->has_to || question()->has_from);
	assert_false(statistics_wish_is_plain(question()));
}

static void what_is_plain(void **state)
{
	(void)state;
	static const char *const plain[] = {"&group_by=total",	  "&previous=true",
					    "&zero_fill=true",	  "&limit=3",
					    "&format=csv",	  "&metrics=total_value",
					    "&model=last_click",  "&tz=UTC",
					    "&compare=last_click"};
	static const char *const others[] = {"&group_by=hourly", "&tz=Europe/Berlin",
					     "&source=a",	 "&type=!a",
					     "&breakdown=type",	 "&campaign_id=" ID "2"};
	char query[256];
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		snprintf(query, sizeof(query), "%s%s", CAMPAIGN, plain[i]);
		assert_true(read(query));
		assert_true(statistics_wish_is_plain(question()));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		snprintf(query, sizeof(query), "%s%s", CAMPAIGN, others[i]);
		assert_true(read(query));
		assert_false(statistics_wish_is_plain(question()));
	}
	assert_true(read("campaign_id=none"));
	assert_false(statistics_wish_is_plain(question()));
}

static void campaigns(void **state)
{
	(void)state;
	assert_true(read("campaign_id=" ID "1," ID "2&campaign_id=" ID "3&campaign_id=" ID "1"));
	assert_int_equal(question()->n_campaigns, 3);
	assert_true(read("campaign_id=none"));
	const struct uuid nil = {0};
	assert_true(uuid_is_equal(&question()->campaigns[0], &nil));
	char query[REPORT_CAMPAIGNS_MAX * 64 + 64] = "campaign_id=none";
	for (int i = 0; i < REPORT_CAMPAIGNS_MAX; i++) {
		char more[64];
		snprintf(more, sizeof(more), ",018f0000-0000-7000-8000-%012d", i);
		strncat(query, more, sizeof(query) - strlen(query) - 1);
	}
	assert_false(read(query));
	assert_string_equal(error.field, "campaign_id");
}

static void filters(void **state)
{
	(void)state;
	assert_true(read(CAMPAIGN "&source=a%2Cb,c&source=d%5C,e&type=!x,y"));
	const struct report_question *q = question();
	/* A comma splits also when it came percent-encoded; a backslash keeps it. */
	static const char *const names[] = {"a", "b", "c", "d,e"};
	assert_int_equal(q->sources.n, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_string_equal(q->sources.names[i], names[i]);
	assert_false(q->sources.negated);
	assert_true(q->types.negated && q->types.n == 2);
	assert_string_equal(q->types.names[0], "x");
	assert_true(read(CAMPAIGN "&source=%5C!a,b%5C%5C&type=!%5C!"));
	assert_false(question()->sources.negated);
	assert_string_equal(question()->sources.names[0], "!a");
	assert_string_equal(question()->sources.names[1], "b\\");
	assert_true(question()->types.negated);
	assert_string_equal(question()->types.names[0], "!");
	assert_true(read(CAMPAIGN "&source=!a&source=!b"));
	assert_int_equal(question()->sources.n, 2);
}

static void cursors(void **state)
{
	(void)state;
	assert_true(read(CAMPAIGN "&limit=7"));
	struct buf text = BUF_INIT;
	struct periods p;
	periods_of_days(GROUP_DAILY, question()->from, question()->to, NULL, 7, &p);
	buf_adds(&text, CAMPAIGN "&limit=7&cursor=");
	statistics_cursor(question(), &p, &text);
	assert_string_equal(text.data, CAMPAIGN "&limit=7&cursor=daily.19971.20000.19994");
	report_free(wish.report);
	assert_true(statistics_wish_read(text.data, NULL, NOW_MS + 2 * MS_PER_DAY, &wish, &error));
	assert_true(question()->has_cursor && question()->cursor == TODAY - 6);
	assert_int_equal(question()->to, TODAY); /* also when today has become another day */
	buf_release(&text);
	periods_release(&p);
	static const char *const bad[] = {"&cursor=",
					  "&cursor=x",
					  "&cursor=daily.1.2",
					  "&cursor=daily.1.2.3.4",
					  "&cursor=daily.1.2.3&group_by=weekly",
					  "&cursor=daily.1.2.3&from=1970-01-05",
					  "&cursor=daily.9999999999.2.3",
					  "&cursor=daily.1.2.99999999999999999999999",
					  "&cursor=daily..2.3"};
	char query[256];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(query, sizeof(query), "%s%s", CAMPAIGN, bad[i]);
		assert_false(read(query));
		assert_string_equal(error.field, "cursor");
	}
}

static void formats(void **state)
{
	(void)state;
	static const struct {
		const char *accept, *query;
		enum format format;
	} rows[] = {
		{NULL, CAMPAIGN, FORMAT_JSON},
		{"*/*", CAMPAIGN, FORMAT_JSON},
		{"text/csv", CAMPAIGN, FORMAT_CSV},
		{"Application/X-NDJSON;q=0.9, application/json", CAMPAIGN, FORMAT_NDJSON},
		{"text/html, application/json, text/csv", CAMPAIGN, FORMAT_JSON},
		{"text/csv", CAMPAIGN "&format=json", FORMAT_JSON},
		{NULL, CAMPAIGN "&format=ndjson", FORMAT_NDJSON},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		report_free(wish.report);
		assert_true(
			statistics_wish_read(rows[i].query, rows[i].accept, NOW_MS, &wish, &error));
		assert_int_equal(wish.format, rows[i].format);
	}
	assert_true(read(CAMPAIGN "&metrics=total_value,total_clicks&metrics=conversion_rate"));
	assert_int_equal(wish.metrics,
			 1u << MEASURE_VALUE | 1u << MEASURE_CLICKS | 1u << MEASURE_RATE);
}

static void bad_questions(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{NULL, "campaign_id"},
		{"campaign_id=x", "campaign_id"},
		{"campaign_id=", "campaign_id"},
		{"campaign_id=" ID "1,", "campaign_id"},
		{CAMPAIGN "&group_by=hours", "group_by"},
		{CAMPAIGN "&group_by=daily&group_by=daily", "group_by"},
		{CAMPAIGN "&from=2026-02-29", "from"},
		{CAMPAIGN "&from=2026-02-02&to=2026-02-01", "from"},
		{CAMPAIGN "&from=2000-01-01&to=2020-01-01", "from"},
		{CAMPAIGN "&tz=", "tz"},
		{CAMPAIGN "&tz=Europe/Berlin%20", "tz"},
		{CAMPAIGN "&tz=%2B05:45", "tz"},
		{CAMPAIGN "&breakdown=", "breakdown"},
		{CAMPAIGN "&breakdown=user", "breakdown"},
		{CAMPAIGN "&source=", "source"},
		{CAMPAIGN "&source=!", "source"},
		{CAMPAIGN "&source=a,", "source"},
		{CAMPAIGN "&source=a&source=!b", "source"},
		{CAMPAIGN "&type=!a&type=b", "type"},
		{CAMPAIGN "&model=shapley", "model"},
		{CAMPAIGN "&model=best", "model"},
		{CAMPAIGN "&model=last_click,last_click", "model"},
		{CAMPAIGN "&model=last_click&compare=last_click", "compare"},
		{CAMPAIGN "&compare=last_click,last", "compare"},
		{CAMPAIGN "&compare=last_click&compare=last_click", "compare"},
		{CAMPAIGN "&metrics=", "metrics"},
		{CAMPAIGN "&metrics=clicks", "metrics"},
		{CAMPAIGN "&previous=1", "previous"},
		{CAMPAIGN "&zero_fill=yes", "zero_fill"},
		{CAMPAIGN "&limit=0", "limit"},
		{CAMPAIGN "&limit=10001", "limit"},
		{CAMPAIGN "&limit=1e3", "limit"},
		{CAMPAIGN "&format=xml", "format"},
		{CAMPAIGN "&nothing", "nothing"},
		{CAMPAIGN "&x=%", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(read(bad[i][0]));
		assert_string_equal(error.field, bad[i][1]);
	}
}

static int end(void **state)
{
	(void)state;
	report_free(wish.report);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	 cmocka_unit_test(what_is_plain),
		cmocka_unit_test(campaigns),	 cmocka_unit_test(filters),
		cmocka_unit_test(cursors),	 cmocka_unit_test(formats),
		cmocka_unit_test(bad_questions),
	};
	return cmocka_run_group_tests_name("statistics", tests, NULL, end);
}
