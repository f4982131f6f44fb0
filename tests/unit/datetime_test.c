/*
 * The calendar against the C library's timegm and gmtime, and the texts that must be refused.
 */
#include "test.h"

#include "util/datetime.h"

#define MS_YEAR_1 (-62135596800000ll)	   /* 0001-01-01T00:00:00.000Z */
#define MS_YEAR_9999_END 253402300799999ll /* 9999-12-31T23:59:59.999Z */

static int32_t day_of(const char *text)
{
	int32_t day;

	assert_true(date_parse(text, strlen(text), &day));
	return day;
}

static void test_reads(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01t00:00:00z", 0},
		{"1970-01-01T00:00:00.1Z", 100},
		{"1970-01-01T00:00:00.12Z", 120},
		{"1970-01-01T00:00:00.123Z", 123},
		{"1970-01-01T00:00:00.1239999999999999999999999999999Z", 123},
		{"1969-12-31T23:59:59.9999Z", -1},
		{"1970-01-01T02:00:00+02:00", 0},
		{"1969-12-31T18:30:00-05:30", 0},
		{"1970-01-01T00:00:00-00:00", 0},
		{"1970-01-01T23:59:00+23:59", 0},
		{"2026-01-02T03:04:05.678Z", 1767323045678},
		{"2024-02-29T00:00:00Z", 1709164800000},
		{"2000-02-29T00:00:00Z", 951782400000},
		{"0001-01-01T00:00:00Z", MS_YEAR_1},
		{"9999-12-31T23:59:59.9999Z", MS_YEAR_9999_END},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ms = 42;
		if (!datetime_parse(cases[i].text, strlen(cases[i].text), &ms) || ms != cases[i].ms)
			fail_msg("%s was read as %" PRId64, cases[i].text, ms);
	}
}

static void test_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05.678",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05,678Z",
		"2026-01-02 03:04:05Z",
		"2026-01-02T03:04Z",
		"2026-01-02T03:04:05ZZ",
		"2026-01-02T03:04:05Z ",
		" 2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05+0100",
		"2026-01-02T03:04:05+01",
		"2026-01-02T03:04:05+01:0",
		"2026-01-02T03:04:05+01:000",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+01:60",
		"2026-01-02T03:04:05 01:00",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:05Z",
		"2026-01-02T03:04:60Z",
		"2016-12-31T23:59:60Z",
		"2026-1-02T03:04:05Z",
		"2026-00-02T03:04:05Z",
		"2026-13-02T03:04:05Z",
		"2026-01-00T03:04:05Z",
		"2026-01-32T03:04:05Z",
		"2026-04-31T03:04:05Z",
		"2026-02-29T03:04:05Z",
		"1900-02-29T03:04:05Z",
		"0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"-001-01-01T00:00:00Z",
		"12026-01-02T03:04:05Z",
		"2026-01-02T+3:04:05Z",
		"2026-W01-1T03:04:05Z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ms;
		if (datetime_parse(cases[i], strlen(cases[i]), &ms))
			fail_msg("'%s' was read as %" PRId64, cases[i], ms);
	}
}

/* The text may end before its array does, and is not read beyond its length. */
static void test_length_counts(void **state)
{
	static const char text[] = "2026-01-02T03:04:05.678Z";
	int64_t ms;

	(void)state;
	for (size_t len = 0; len <= RFC3339_TEXT_LEN; len++) {
		char *exact = xmalloc(len);
		memcpy(exact, text, len);
		assert_int_equal(datetime_parse(exact, len, &ms), len == RFC3339_TEXT_LEN);
		free(exact);
	}
	assert_true(datetime_parse("2026-01-02T03:04:05Zjunk", 20, &ms));
}

/* Random times: our text is the C library's, and reading it gives the time back. */
static void test_round_trip_against_libc(void **state)
{
	struct rng rng = rng_start();
	const uint64_t span = (uint64_t)(MS_YEAR_9999_END - MS_YEAR_1) + 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		const int64_t ms = MS_YEAR_1 + (int64_t)rng_below(&rng, span);
		const time_t seconds = (time_t)((ms - MS_YEAR_1) / 1000 + MS_YEAR_1 / 1000);
		char text[RFC3339_TEXT_LEN], expected[64];
		struct tm tm;
		int64_t back;

		assert_non_null(gmtime_r(&seconds, &tm));
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			 tm.tm_sec, (int)(ms - seconds * 1000));
		datetime_write(ms, text);
		assert_memory_equal(text, expected, RFC3339_TEXT_LEN);
		assert_true(datetime_parse(text, RFC3339_TEXT_LEN, &back));
		assert_int_equal(back, ms);
	}
}

static void test_offsets_against_timegm(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct tm tm = {
			.tm_year = 1 + (int)rng_below(&rng, 200),
			.tm_mon = (int)rng_below(&rng, 12),
			.tm_mday = 1 + (int)rng_below(&rng, 28),
			.tm_hour = (int)rng_below(&rng, 24),
			.tm_min = (int)rng_below(&rng, 60),
			.tm_sec = (int)rng_below(&rng, 60),
		};
		const int offset = (int)rng_below(&rng, 2 * 1439 + 1) - 1439;
		char text[64];
		int64_t ms;

		const int len =
			snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d",
				 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
				 tm.tm_min, tm.tm_sec, offset < 0 ? '-' : '+', abs(offset) / 60,
				 abs(offset) % 60);
		assert_true(datetime_parse(text, (size_t)len, &ms));
		assert_int_equal(ms, (timegm(&tm) - offset * 60) * 1000);
	}
}

/* Each day there is: its text, its week and its month are what the C library says. */
static void test_every_day(void **state)
{
	int32_t monday = 0, first = 0;

	(void)state;
	for (int32_t day = -719162; day <= 2932896; day++) {
		const time_t seconds = (time_t)day * 86400;
		char text[DATE_TEXT_LEN + 1], expected[64];
		struct tm tm;
		int32_t back;

		assert_non_null(gmtime_r(&seconds, &tm));
		if (tm.tm_wday == 1)
			monday = day;
		if (tm.tm_mday == 1)
			first = day;
		snprintf(expected, sizeof(expected), "%04d-%02d-%02d", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday);
		date_format(day, text);
		if (strcmp(text, expected) != 0 || !date_parse(text, DATE_TEXT_LEN, &back) ||
		    back != day || week_of_day(day) != monday || month_of_day(day) != first)
			fail_msg("%s: text %s, week %d, month %d", expected, text, week_of_day(day),
				 month_of_day(day));
	}
}

static void test_dates_refused(void **state)
{
	static const char *const cases[] = {"",		  "2026-01-1",	"2026-01-010", "2026/01/01",
					    "2026-02-29", "0000-01-01", "2026-13-01",  "2026-00-10",
					    "2026-01-1x", "+026-01-01", "2026-01-00"};
	int32_t day;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_false(date_parse(cases[i], strlen(cases[i]), &day));
}

static void test_days_are_floored(void **state)
{
	(void)state;
	assert_int_equal(day_of_ms(0), 0);
	assert_int_equal(day_of_ms(MS_PER_DAY - 1), 0);
	assert_int_equal(day_of_ms(MS_PER_DAY), 1);
	assert_int_equal(day_of_ms(-1), -1);
	assert_int_equal(day_of_ms(-MS_PER_DAY), -1);
	assert_int_equal(day_of_ms(-MS_PER_DAY - 1), -2);
	assert_int_equal(day_of_ms(MS_YEAR_1), -719162);
}

static void test_month_add(void **state)
{
	static const struct {
		const char *day;
		int months;
		const char *expected;
	} cases[] = {
		{"2026-01-31", 0, "2026-01-01"},   {"2026-01-31", 1, "2026-02-01"},
		{"2026-01-01", -1, "2025-12-01"},  {"2026-12-31", 1, "2027-01-01"},
		{"2026-06-15", -11, "2025-07-01"}, {"2024-02-29", 12, "2025-02-01"},
		{"2024-02-29", -24, "2022-02-01"}, {"1970-01-01", -12, "1969-01-01"},
		{"0001-02-03", -1, "0001-01-01"},  {"9999-11-30", 1, "9999-12-01"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(month_add(day_of(cases[i].day), cases[i].months),
				 day_of(cases[i].expected));
	assert_int_equal(month_add(day_of("9999-12-31"), 1), 2932897);
}

static void test_writing_is_clamped(void **state)
{
	char text[RFC3339_TEXT_LEN], date[DATE_TEXT_LEN + 1];

	(void)state;
	datetime_write(INT64_MIN, text);
	assert_memory_equal(text, "0001-01-01T00:00:00.000Z", RFC3339_TEXT_LEN);
	datetime_write(INT64_MAX, text);
	assert_memory_equal(text, "9999-12-31T23:59:59.999Z", RFC3339_TEXT_LEN);
	date_format(INT32_MIN, date);
	assert_string_equal(date, "0001-01-01");
	date_format(INT32_MAX, date);
	assert_string_equal(date, "9999-12-31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_length_counts),
		cmocka_unit_test(test_round_trip_against_libc),
		cmocka_unit_test(test_offsets_against_timegm),
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(test_dates_refused),
		cmocka_unit_test(test_days_are_floored),
		cmocka_unit_test(test_month_add),
		cmocka_unit_test(test_writing_is_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
