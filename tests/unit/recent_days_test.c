/*
 * Unit tests of the recent days: a reading is found while it is young, and is never a mixture of
 * two, however fast it changes.
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/recent_days.h"

#define CAMPAIGNS 3000 /* more than there are cells */
#define READERS 3
#define READS 20000

static struct uuid campaign_of(uint32_t n)
{
	struct uuid u = {{0}};
	memcpy(u.bytes, &n, sizeof(n));
	return u;
}

/* All of it follows from the number. */
static struct recent_day reading_of(uint32_t campaign, int64_t n, uint64_t read_ns)
{
	return (struct recent_day){.campaign_id = campaign_of(campaign),
				   .day = 20000,
				   .totals = {.clicks = n,
					      .conversions = n * 2,
					      .unattributed = n * 3,
					      .value_minor = (__int128)n << 66,
					      .unattributed_value_minor = -n},
				   .as_of_ns = (uint64_t)n,
				   .read_ns = read_ns};
}

static bool is_whole(const struct recent_day *r)
{
	const struct recent_day expected = reading_of(0, r->totals.clicks, r->read_ns);
	const struct totals *a = &r->totals, *b = &expected.totals;
	return a->conversions == b->conversions && a->unattributed == b->unattributed &&
	       a->value_minor == b->value_minor &&
	       a->unattributed_value_minor == b->unattributed_value_minor &&
	       r->as_of_ns == expected.as_of_ns;
}

static void test_found_while_young(void **state)
{
	struct recent_days *r = recent_days_new();
	const struct recent_day put = reading_of(7, 42, NS_PER_S);
	const struct uuid other = campaign_of(8);
	struct recent_day got;
	(void)state;

	assert_false(recent_days_get(r, &put.campaign_id, 20000, NS_PER_S, &got));
	recent_days_put(r, &put);
	assert_true(recent_days_get(r, &put.campaign_id, 20000, NS_PER_S, &got));
	assert_true(is_whole(&got));
	assert_int_equal(got.totals.clicks, 42);
	assert_true(
		recent_days_get(r, &put.campaign_id, 20000, NS_PER_S + RECENT_DAYS_NS - 1, &got));
	assert_false(recent_days_get(r, &put.campaign_id, 20000, NS_PER_S + RECENT_DAYS_NS, &got));
	assert_false(recent_days_get(r, &put.campaign_id, 20001, NS_PER_S, &got));
	assert_false(recent_days_get(r, &other, 20000, NS_PER_S, &got));
	recent_days_free(r);
}

/* Cells are taken over; what is found is what was put last for that campaign. */
static void test_more_campaigns_than_cells(void **state)
{
	struct recent_days *r = recent_days_new();
	struct recent_day got;
	unsigned found = 0;
	(void)state;

	for (uint32_t i = 0; i < CAMPAIGNS; i++) {
		const struct recent_day put = reading_of(i, i, NS_PER_S);
		recent_days_put(r, &put);
	}
	for (uint32_t i = 0; i < CAMPAIGNS; i++) {
		const struct uuid campaign = campaign_of(i);
		if (!recent_days_get(r, &campaign, 20000, NS_PER_S, &got))
			continue;
		assert_int_equal(got.totals.clicks, i);
		found++;
	}
	assert_true(found > 300 && found < CAMPAIGNS);
	recent_days_free(r);
}

struct shared {
	struct recent_days *recent;
	_Atomic bool stop;
	_Atomic unsigned wrong;
};

static void *write_on(void *arg)
{
	struct shared *s = arg;
	for (int64_t n = 1; !s->stop; n++) {
		const struct recent_day put = reading_of(1, n, NS_PER_S);
		recent_days_put(s->recent, &put);
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct shared *s = arg;
	const struct uuid campaign = campaign_of(1);
	struct recent_day got;
	int64_t last = 0;
	for (int found = 0; found < READS;) {
		if (!recent_days_get(s->recent, &campaign, 20000, NS_PER_S, &got))
			continue;
		if (!is_whole(&got) || got.totals.clicks < last)
			s->wrong++;
		last = got.totals.clicks;
		found++;
	}
	return NULL;
}

static void test_never_torn(void **state)
{
	struct shared s = {.recent = recent_days_new()};
	pthread_t writer, readers[READERS];
	(void)state;

	assert_int_equal(pthread_create(&writer, NULL, write_on, &s), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on, &s), 0);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	s.stop = true;
	pthread_join(writer, NULL);
	assert_int_equal(s.wrong, 0);
	recent_days_free(s.recent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_while_young),
		cmocka_unit_test(test_more_campaigns_than_cells),
		cmocka_unit_test(test_never_torn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
