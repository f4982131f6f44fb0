/*
 * Touch paths, the models' credits, dated settings and what is booked of them: properties of random
 * conversions, and the edges by hand.
 */
#include "test.h"

#include <math.h>

#include "domain/cells.h"
#include "domain/credit.h"
#include "domain/path.h"

#define HOUR 3600000ll
#define DAY (24 * HOUR)
#define CLICKS_MAX 40
#define ROUNDS 20000

static struct text text(const char *s)
{
	return (struct text){s, strlen(s)};
}

static struct uuid id(uint64_t n)
{
	struct uuid u = {{0}};
	u.bytes[15] = (unsigned char)n;
	u.bytes[14] = (unsigned char)(n >> 8);
	return u;
}

static void add_models(struct rules *r, int64_t from_ms, uint32_t path_max, bool narrowed)
{
	static struct text direct[] = {{"direct", 6}, {"(none)", 6}};
	rules_add_models(r, &(struct model_rules){.from_ms = from_ms,
						  .first_ppm = 400000,
						  .last_ppm = 400000,
						  .half_life_ms = 7 * DAY,
						  .path_max = path_max,
						  .is_narrowed = narrowed,
						  .direct = direct,
						  .n_direct = 2});
}

static void add_window(struct rules *r, uint64_t campaign, const char *type, int64_t from_ms,
		       int64_t lookback_ms)
{
	rules_add_window(r, &(struct window_rule){id(campaign), text(type), from_ms, lookback_ms});
}

static struct rules simple_rules(int64_t lookback_ms, uint32_t path_max)
{
	struct rules r = {0};
	add_window(&r, 0, "", RULES_BEGINNING, lookback_ms);
	add_models(&r, RULES_BEGINNING, path_max, false);
	rules_sort(&r);
	return r;
}

/* The path of clicks that ascend by (time, id). */
static struct path build(const struct path_wish *w, const struct touch *clicks, uint32_t n,
			 const struct rules *r, struct arena *a)
{
	static struct path_builder b;
	struct path p;
	path_begin(&b, w, r, a);
	while (n > 0)
		path_offer(&b, &clicks[--n]);
	path_end(&b, &p);
	return p;
}

static int64_t sum_of(const struct path *p, enum model m)
{
	int64_t sum = 0;
	for (uint32_t i = 0; i < p->n; i++)
		sum += p->credits[m * p->n + i];
	return sum;
}

static int32_t credit(const struct path *p, enum model m, uint32_t place)
{
	return p->credits[m * p->n + place];
}

static void test_shares_add_up(void **state)
{
	struct rng rng = rng_start();
	uint64_t weights[CREDIT_TOUCHES_MAX];
	int64_t out[CREDIT_TOUCHES_MAX];
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const size_t n = 1 + rng_below(&rng, round % 100 == 0 ? CREDIT_TOUCHES_MAX : 12);
		const int64_t total = (int64_t)(rng_next(&rng) >> (2 + rng_below(&rng, 50)));
		long double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += weights[i] = rng_next(&rng) >> (2 + rng_below(&rng, 62));
		if (sum == 0)
			sum = weights[0] = 1;
		credit_share(total, weights, n, out);
		int64_t left = total;
		for (size_t i = 0; i < n; i++) {
			const long double exact = (long double)total * weights[i] / sum;
			assert_true(fabsl((long double)out[i] - exact) < 1 + exact * 1e-15L);
			assert_true(weights[i] > 0 || out[i] == 0);
			left -= out[i];
		}
		assert_int_equal(left, 0);
	}
}

static void test_equals_favour_the_later(void **state)
{
	const uint64_t three[] = {1, 1, 1}, six[] = {1, 1, 1, 1, 1, 1};
	int64_t out[6];
	(void)state;
	credit_share(CREDIT_WHOLE, three, 3, out);
	assert_int_equal(out[0], 333333);
	assert_int_equal(out[1], 333333);
	assert_int_equal(out[2], 333334);
	credit_share(100, six, 6, out);
	assert_int_equal(out[0] + out[1], 32);
	assert_int_equal(out[2] + out[3] + out[4] + out[5], 68);
}

static void test_position_based(void **state)
{
	static const struct {
		size_t n;
		int32_t first, last;
		int64_t expected[4];
	} cases[] = {
		{1, 400000, 400000, {1000000}},
		{2, 400000, 400000, {500000, 500000}},
		{2, 300000, 100000, {750000, 250000}},
		{2, 0, 0, {500000, 500000}},
		{2, 0, 400000, {0, 1000000}},
		{3, 400000, 400000, {400000, 200000, 400000}},
		{4, 400000, 400000, {400000, 100000, 100000, 400000}},
		{4, 500000, 500000, {500000, 0, 0, 500000}},
		{4, 0, 0, {0, 500000, 500000, 0}},
	};
	uint64_t weights[4];
	int64_t out[4];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		credit_position_based(cases[i].n, cases[i].first, cases[i].last, weights);
		credit_share(CREDIT_WHOLE, weights, cases[i].n, out);
		assert_memory_equal(out, cases[i].expected, cases[i].n * sizeof(*out));
	}
}

static void test_time_decay(void **state)
{
	struct rng rng = rng_start();
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const int64_t half_life =
			1 + (int64_t)(rng_next(&rng) >> (24 + rng_below(&rng, 38)));
		const int64_t age = (int64_t)(rng_below(&rng, 20 * (uint64_t)half_life));
		const int64_t times[] = {-age, 0};
		uint64_t weights[2];
		credit_time_decay(times, 2, half_life, weights);
		const long double exact = exp2l(-(long double)age / (long double)half_life) *
					  (long double)CREDIT_WEIGHT_MAX;
		assert_int_equal(weights[1], CREDIT_WEIGHT_MAX);
		assert_true(fabsl((long double)weights[0] - exact) <= 64 + exact * 1e-16L);
	}
	const int64_t far[] = {-1000 * DAY, -7 * DAY, 0};
	uint64_t weights[3];
	credit_time_decay(far, 3, 7 * DAY, weights);
	assert_int_equal(weights[0], 0);
	assert_int_equal(weights[1], CREDIT_WEIGHT_MAX / 2);
}

static void test_windows(void **state)
{
	struct rules r = {0};
	(void)state;
	add_window(&r, 0, "", RULES_BEGINNING, DAY);
	add_window(&r, 0, "", 100 * DAY, 2 * DAY);
	add_window(&r, 0, "lead", 50 * DAY, 3 * DAY);
	add_window(&r, 7, "", 60 * DAY, 5 * DAY);
	add_window(&r, 7, "lead", 70 * DAY, 6 * DAY);
	add_window(&r, 7, "lead", 80 * DAY, -1);
	add_window(&r, 7, "", 90 * DAY, -1);
	add_models(&r, RULES_BEGINNING, 200, false);
	rules_sort(&r);
	static const struct {
		uint64_t campaign;
		const char *type;
		int64_t day, days;
	} cases[] = {
		{1, "sale", 0, 1},  {1, "sale", 99, 1},	 {1, "sale", 100, 2}, {1, "lead", 49, 1},
		{1, "lead", 50, 3}, {1, "lead", 200, 3}, {7, "sale", 59, 1},  {7, "sale", 60, 5},
		{7, "lead", 59, 3}, {7, "lead", 60, 5},	 {7, "lead", 70, 6},  {7, "lead", 80, 5},
		{7, "lead", 90, 3}, {7, "sale", 90, 1},	 {7, "sale", 100, 2}, {8, "leads", 60, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct uuid campaign = id(cases[i].campaign);
		assert_int_equal(rules_lookback_ms(&r, &campaign, text(cases[i].type),
						   cases[i].day * DAY),
				 cases[i].days * DAY);
	}
	assert_int_equal(r.longest_ms, 6 * DAY);
	rules_release(&r);
}

static void test_incomplete_rules(void **state)
{
	struct rules r = {0};
	(void)state;
	assert_false(rules_are_complete(&r));
	add_models(&r, RULES_BEGINNING, 200, false);
	add_window(&r, 0, "", 5, DAY);
	add_window(&r, 0, "sale", RULES_BEGINNING, DAY);
	add_window(&r, 1, "", RULES_BEGINNING, DAY);
	rules_sort(&r);
	assert_false(rules_are_complete(&r));
	add_window(&r, 0, "", RULES_BEGINNING, DAY);
	rules_sort(&r);
	assert_true(rules_are_complete(&r));
	rules_release(&r);
}

static void test_window_edges(void **state)
{
	struct arena a = ARENA_INIT;
	struct rules r = simple_rules(DAY, 200);
	const struct path_wish w = {.time_ms = 10 * DAY, .type = text("sale")};
	const struct touch clicks[] = {
		{id(1), 9 * DAY - 1, id(1), text("a")},
		{id(2), 9 * DAY, id(1), text("a")},
		{id(3), 10 * DAY, id(1), text("a")},
		{id(4), 10 * DAY + 1, id(1), text("a")},
	};
	(void)state;
	const struct path p = build(&w, clicks, 4, &r, &a);
	assert_int_equal(p.n, 2);
	assert_memory_equal(&p.touches[0].click_id, &clicks[1].click_id, sizeof(struct uuid));
	assert_int_equal(p.last, 1);
	assert_int_equal(touch_judge(&w, &clicks[0], &r), TOUCH_OUTSIDE_WINDOW);
	assert_int_equal(touch_judge(&w, &clicks[3], &r), TOUCH_AFTER);
	rules_release(&r);
	arena_release(&a);
}

/* Six clicks, a path of three: the oldest count, and only first click sees the first of them. */
static void test_bounded_path(void **state)
{
	struct arena a = ARENA_INIT;
	struct rules r = simple_rules(DAY, 3);
	const struct path_wish w = {.time_ms = DAY, .type = text("sale")};
	struct touch clicks[6];
	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		clicks[i] = (struct touch){id(i + 1), (int64_t)i, id(1), text("a")};
	const struct path p = build(&w, clicks, 6, &r, &a);
	assert_int_equal(p.n, 4);
	assert_int_equal(p.extras, 1);
	assert_int_equal(p.beyond, 3);
	assert_int_equal(p.touches[0].time_ms, 0);
	assert_int_equal(p.touches[1].time_ms, 3);
	assert_int_equal(credit(&p, MODEL_FIRST_CLICK, 0), CREDIT_WHOLE);
	assert_int_equal(credit(&p, MODEL_LINEAR, 0), 0);
	assert_int_equal(sum_of(&p, MODEL_LINEAR), CREDIT_WHOLE);
	assert_int_equal(credit(&p, MODEL_POSITION_BASED, 1), 400000);
	rules_release(&r);
	arena_release(&a);
}

static void test_last_click_is_narrowed(void **state)
{
	struct arena a = ARENA_INIT;
	struct rules r = simple_rules(DAY, 200);
	const struct touch clicks[] = {
		{id(1), 1, id(1), text("mail")},
		{id(2), 2, id(1), text("direct")},
		{id(3), 3, id(2), text("mail")},
		{id(4), 4, id(2), text("direct")},
	};
	static const struct {
		uint64_t campaign;
		const char *source;
		int32_t last;
	} cases[] = {{0, "", 3}, {1, "", 1}, {0, "mail", 2}, {1, "mail", 0}, {2, "ad", -1}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct path_wish w = {.time_ms = 10,
					    .campaign_id = id(cases[i].campaign),
					    .source = text(cases[i].source),
					    .type = text("sale")};
		const struct path p = build(&w, clicks, 4, &r, &a);
		assert_int_equal(p.last, cases[i].last);
		assert_int_equal(sum_of(&p, MODEL_LAST_CLICK), p.last < 0 ? 0 : CREDIT_WHOLE);
		assert_int_equal(credit(&p, MODEL_LAST_NON_DIRECT, 2), CREDIT_WHOLE);
		assert_int_equal(credit(&p, MODEL_LINEAR, 0), 250000);
	}
	rules_release(&r);
	arena_release(&a);
}

static void test_named_click(void **state)
{
	struct arena a = ARENA_INIT;
	struct rules r = simple_rules(DAY, 1);
	const struct touch clicks[] = {
		{id(1), 0, id(1), text("old")},
		{id(2), 9 * DAY, id(1), text("a")},
		{id(3), 10 * DAY - 1, id(2), text("b")},
	};
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		const struct path_wish w = {.time_ms = 10 * DAY,
					    .campaign_id = id(9),
					    .type = text("sale"),
					    .named = &clicks[i]};
		const struct path p = build(&w, clicks, 3, &r, &a);
		assert_int_equal(p.beyond, 1);
		assert_int_equal(p.extras, i == 2 ? 1 : 2);
		assert_int_equal(p.touches[p.last].time_ms, clicks[i].time_ms);
		assert_int_equal(credit(&p, MODEL_LAST_CLICK, (uint32_t)p.last), CREDIT_WHOLE);
		assert_int_equal(credit(&p, MODEL_FIRST_CLICK, p.extras - 1), CREDIT_WHOLE);
		assert_int_equal(credit(&p, MODEL_LINEAR, p.n - 1), CREDIT_WHOLE);
	}
	rules_release(&r);
	arena_release(&a);
}

static void random_clicks(struct rng *rng, struct touch *clicks, uint32_t n)
{
	static const char *const sources[] = {"mail", "direct", "ad", "(none)"};
	int64_t at = 0;
	for (uint32_t i = 0; i < n; i++) {
		at += (int64_t)rng_below(rng, DAY);
		clicks[i] = (struct touch){id(i + 1), at, id(1 + rng_below(rng, 3)),
					   text(sources[rng_below(rng, 4)])};
	}
}

static struct path_wish random_wish(struct rng *rng, const struct touch *clicks, uint32_t n)
{
	return (struct path_wish){
		.time_ms = n > 0 ? clicks[n - 1].time_ms + (int64_t)rng_below(rng, DAY) : DAY,
		.campaign_id = id(rng_below(rng, 4)),
		.source = text(rng_below(rng, 2) == 0 ? "" : "mail"),
		.type = text("sale"),
		.named = n > 0 && rng_below(rng, 4) == 0 ? &clicks[rng_below(rng, n)] : NULL,
	};
}

static void check_sums(const struct path *p)
{
	for (int m = 0; m < MODELS; m++) {
		const int64_t sum = sum_of(p, (enum model)m);
		const bool any = m == MODEL_LAST_CLICK ? p->last >= 0 : p->n > p->extras;
		assert_int_equal(sum, any ? CREDIT_WHOLE : 0);
	}
}

static void check_cells(const struct cells *c, int64_t value_minor)
{
	int64_t credits[MODELS] = {0}, unattributed[MODELS] = {0};
	__int128 values[MODELS] = {0};
	const struct cell *cell;
	uint32_t at = 0;
	while ((cell = cells_next(c, &at)) != NULL) {
		credits[cell->model] += cell->credit;
		unattributed[cell->model] += cell->unattributed;
		values[cell->model] += cell->value_minor + cell->unattributed_value_minor;
		assert_true(cell->bucket_ms % BUCKET_MS == 0);
	}
	for (int m = 0; m < MODELS; m++) {
		assert_int_equal(credits[m] + CREDIT_WHOLE * unattributed[m], CREDIT_WHOLE);
		assert_true(values[m] == value_minor);
	}
}

static void test_random_paths_are_booked_whole(void **state)
{
	struct rng rng = rng_start();
	struct arena a = ARENA_INIT;
	struct cells cells = {0};
	struct touch clicks[CLICKS_MAX];
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct rules r = simple_rules((int64_t)(1 + rng_below(&rng, 30)) * DAY,
					      1 + (uint32_t)rng_below(&rng, 12));
		const uint32_t n = (uint32_t)rng_below(&rng, CLICKS_MAX);
		random_clicks(&rng, clicks, n);
		const struct path_wish w = random_wish(&rng, clicks, n);
		const int64_t value = (int64_t)rng_below(&rng, 1000000);
		const struct path p = build(&w, clicks, n, &r, &a);
		check_sums(&p);
		const struct worth worth = {.value_minor = value};
		const struct worth nothing = {.value_minor = value, .is_cancelled = true};
		cells_book(&cells, &w, &p, worth, 1);
		cells_book(&cells, &w, &p, nothing, 1);
		check_cells(&cells, value);
		cells_book(&cells, &w, &p, worth, -1);
		uint32_t at = 0;
		assert_null(cells_next(&cells, &at));
		cells_clear(&cells);
		rules_release(&r);
		arena_clear(&a);
	}
	cells_release(&cells);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_add_up),
		cmocka_unit_test(test_equals_favour_the_later),
		cmocka_unit_test(test_position_based),
		cmocka_unit_test(test_time_decay),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_incomplete_rules),
		cmocka_unit_test(test_window_edges),
		cmocka_unit_test(test_bounded_path),
		cmocka_unit_test(test_last_click_is_narrowed),
		cmocka_unit_test(test_named_click),
		cmocka_unit_test(test_random_paths_are_booked_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
