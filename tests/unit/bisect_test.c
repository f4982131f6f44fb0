/*
 * The search for bad items: it finds exactly those, keeps the order, and tries about log2(n) times
 * for each.
 */
#include "test.h"

#include "domain/bisect.h"

#define ITEMS_MAX 5000

struct trial {
	bool bad[ITEMS_MAX];
	uint32_t n;
	uint32_t tries, found;
};

static uint32_t log2_up(uint32_t n)
{
	uint32_t bits = 0;
	while (bits < 32 && (1ull << bits) < n)
		bits++;
	return bits;
}

/* Work through all items as a batch does. */
static void search(struct trial *t)
{
	struct bisect s = {0};
	uint32_t at = 0, last = ITEMS_MAX;
	while (at < t->n) {
		const uint32_t limit = bisect_limit(&s);
		const uint32_t n = limit < t->n - at ? limit : t->n - at;
		bool refused = false;
		assert_true(limit > 0);
		for (uint32_t i = at; i < at + n; i++)
			refused = refused || t->bad[i];
		t->tries++;
		if (!refused) {
			bisect_passed(&s, n);
			at += n;
		} else if (bisect_refused(&s, n)) {
			assert_int_equal(n, 1);
			assert_true(t->bad[at]);
			assert_int_not_equal(at, last);
			last = at++;
			t->found++;
		}
	}
}

static void test_one_in_any_place(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 64, 100, 1000, ITEMS_MAX};
	static struct trial t;
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		for (uint32_t i = 0; i < sizes[k]; i += 1 + sizes[k] / 100) {
			t = (struct trial){.n = sizes[k]};
			t.bad[i] = true;
			search(&t);
			assert_int_equal(t.found, 1);
			assert_true(t.tries <= 2 + log2_up(sizes[k]) * 4 / 3 + 2);
		}
	}
}

static void test_none_is_one_try(void **state)
{
	static struct trial t;
	(void)state;
	t.n = ITEMS_MAX;
	search(&t);
	assert_int_equal(t.tries, 1);
}

static void test_nothing_but_bad_ones_is_one_try_each(void **state)
{
	static struct trial t;
	(void)state;
	t.n = ITEMS_MAX;
	memset(t.bad, true, sizeof(t.bad));
	search(&t);
	assert_int_equal(t.found, ITEMS_MAX);
	assert_true(t.tries <= ITEMS_MAX + 20);
}

static void test_any_share_in_any_order(void **state)
{
	static struct trial t;
	struct rng rng = rng_start();
	(void)state;
	for (int round = 0; round < 400; round++) {
		const uint64_t share = 1 + rng_below(&rng, 1000);
		uint32_t bad = 0;
		t = (struct trial){.n = 1 + (uint32_t)rng_below(&rng, ITEMS_MAX)};
		for (uint32_t i = 0; i < t.n; i++) {
			t.bad[i] = rng_below(&rng, 1000) < share;
			bad += t.bad[i];
		}
		search(&t);
		assert_int_equal(t.found, bad);
		assert_true(t.tries <= 3 + (bad + 1) * (2 + log2_up(t.n) * 4 / 3));
	}
}

/* Something that is refused only at times must not make the search end up nowhere. */
static void test_a_suspect_range_may_pass(void **state)
{
	struct bisect s = {0};
	(void)state;
	assert_false(bisect_refused(&s, 100));
	assert_int_equal(bisect_limit(&s), 50);
	bisect_passed(&s, 50);
	bisect_passed(&s, 50);
	assert_int_equal(bisect_limit(&s), UINT32_MAX);
	assert_false(bisect_refused(&s, 1));
	assert_int_equal(bisect_limit(&s), 1);
	bisect_passed(&s, 1);
	assert_int_equal(bisect_limit(&s), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_in_any_place),
		cmocka_unit_test(test_none_is_one_try),
		cmocka_unit_test(test_nothing_but_bad_ones_is_one_try_each),
		cmocka_unit_test(test_any_share_in_any_order),
		cmocka_unit_test(test_a_suspect_range_may_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
