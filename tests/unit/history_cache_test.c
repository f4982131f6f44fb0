/*
 * Unit tests of the history cache: days and their text say the same, in every range and after
 * every change.
 */
#include "test.h"

#include "domain/report.h"
#include "net/table.h"
#include "store/history_cache.h"
#include "util/clock.h"

#define DAYS 40
#define FIRST 20000

static const struct uuid campaign = {{7}};

/* Every third day is missing; values have cents. */
static size_t make_days(struct day_totals days[DAYS])
{
	size_t n = 0;
	for (int32_t i = 0; i < DAYS; i++) {
		if (i % 3 == 2)
			continue;
		days[n++] = (struct day_totals){FIRST + i,
						{.clicks = i * 7,
						 .conversions = i,
						 .unattributed = i / 5,
						 .value_minor = (__int128)i * 1234567,
						 .unattributed_value_minor = i}};
	}
	return n;
}

/* The days as a report writes them: what the text must be. */
static void expect_rows(const struct day_totals *days, size_t n, struct buf *out)
{
	struct report *rep = report_new();
	rep->question.group_by = GROUP_DAILY;
	rep->question.n_models = 1;
	periods_of_days(GROUP_DAILY, FIRST - 5, FIRST + DAYS + 5, NULL, REPORT_PERIODS_MAX,
			&rep->periods);
	for (uint32_t i = 0; i < rep->periods.n; i++) {
		struct report_row *row = report_add(rep, i, NULL);
		for (size_t d = 0; d < n; d++) {
			if (days[d].day == rep->periods.items[i].now.first)
				report_add_totals(&row->now, &days[d].totals);
		}
	}
	assert_true(report_finish(rep));
	buf_clear(out);
	table_add_json(out, rep, MEASURES_ALL, ",", false);
	report_free(rep);
}

/* Are text and days the same in every range of the cache? */
static void check_ranges(struct history_cache *cache)
{
	struct day_totals days[DAYS + 12];
	struct buf rows = BUF_INIT, expected = BUF_INIT;
	size_t n = 0;
	int32_t through = 0, of_days = 0;
	for (int32_t from = FIRST - 5; from < FIRST + DAYS + 5; from++) {
		history_set_as_of(cache, clock_mono_ns());
		for (int32_t to = from; to < FIRST + DAYS + 5; to++) {
			buf_clear(&rows);
			assert_int_equal(history_lookup(cache, &campaign, from, to, days, &n,
							&of_days),
					 HISTORY_HIT);
			assert_int_equal(history_rows(cache, &campaign, from, to, &rows, &through),
					 HISTORY_HIT);
			assert_int_equal(through, of_days);
			expect_rows(days, n, &expected);
			assert_int_equal(rows.len, expected.len);
			if (rows.len > 0)
				assert_string_equal(rows.data, expected.data);
		}
	}
	buf_release(&rows);
	buf_release(&expected);
}

static void text_says_what_the_days_say(void **state)
{
	struct day_totals days[DAYS];
	const size_t n = make_days(days);
	const struct uuid other = {{8}};
	struct buf rows = BUF_INIT;
	int32_t through;
	(void)state;
	struct history_cache *cache = history_cache_new(1000, table_add_day);
	history_thread_start();
	assert_int_equal(history_rows(cache, &campaign, FIRST, FIRST, &rows, &through),
			 HISTORY_STALE);
	history_put(cache, &campaign, days, n, FIRST + DAYS - 4);
	for (int round = 0; round < 4; round++) {
		check_ranges(cache);
		if (round == 0) /* a late event, and one on a day that had none */
			days[4].totals.clicks += 3;
		else if (round == 1)
			days[4] = (struct day_totals){.day = FIRST + 8, .totals.clicks = 1};
		else /* and a day that all is taken back from */
			days[4] = (struct day_totals){.day = FIRST + 1};
		history_set_day(cache, &campaign, &days[4]);
		if (round == 2)
			history_set_through(cache, FIRST + DAYS);
	}
	assert_int_equal(history_rows(cache, &other, FIRST, FIRST, &rows, &through), HISTORY_MISS);
	assert_int_equal(rows.len, 0);
	history_thread_stop();
	history_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_says_what_the_days_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
