/*
 * Explaining credits and tracing events: every reason by hand, random conversions against the paths
 * that they were made from, and the JSON of both answers.
 */
#include "test.h"

#include "domain/explain.h"
#include "domain/trace.h"
#include "net/explain.h"
#include "util/fields.h"
#include "util/json.h"

#define HOUR 3600000ll
#define NOW (1000 * HOUR)
#define CLICKS_MAX 60
#define ROUNDS 5000

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

static struct rules rules_of(int64_t lookback_ms, uint32_t path_max, bool narrowed)
{
	static struct text direct[] = {{"direct", 6}};
	struct rules r = {0};
	rules_add_window(&r, &(struct window_rule){id(0), text(""), RULES_BEGINNING, lookback_ms});
	rules_add_window(&r, &(struct window_rule){id(2), text(""), RULES_BEGINNING, 2 * HOUR});
	rules_add_models(&r, &(struct model_rules){.from_ms = RULES_BEGINNING,
						   .first_ppm = 400000,
						   .last_ppm = 400000,
						   .half_life_ms = HOUR,
						   .path_max = path_max,
						   .is_narrowed = narrowed,
						   .direct = direct,
						   .n_direct = 1});
	rules_sort(&r);
	return r;
}

static struct touch click(uint64_t n, int64_t hours_before, uint64_t campaign, const char *source)
{
	return (struct touch){id(n), NOW - hours_before * HOUR, id(campaign), text(source)};
}

/* A conversion of campaign 1 and source "mail" with the path that the rules make of @clicks, which
 * ascend by (time, id). */
static struct explanation *explain(const struct touch *clicks, uint32_t n, const struct rules *r,
				   uint32_t limit, const struct touch *named)
{
	static struct path_builder b;
	static struct explainer x;
	const struct uuid conversion = id(999);
	struct explanation *e = explanation_new(&conversion, limit);
	struct explained *c = e->items = xcalloc(1, sizeof(*c));
	int64_t before = 0, after = 0;
	e->n = 1;
	e->found = 1;
	c->wish = (struct path_wish){NOW, id(1), text("mail"), text("purchase"), NULL};
	c->value_minor = 1250;
	if (named != NULL) {
		c->named = *named;
		c->named_click_id = named->click_id;
		c->named_fate = NAMED_FOUND;
		c->wish.named = &c->named;
	}
	path_begin(&b, &c->wish, r, &e->arena);
	for (uint32_t i = n; i > 0; i--)
		path_offer(&b, &clicks[i - 1]);
	path_end(&b, &c->stored);
	explain_begin(&x, c, r, limit, &e->arena);
	for (uint32_t i = n; i > 0; i--) {
		if (clicks[i - 1].time_ms > NOW) {
			explain_offer_later(&x, &clicks[i - 1]);
			after++;
		} else {
			if (explain_wants(&x))
				explain_offer(&x, &clicks[i - 1]);
			before++;
		}
	}
	explain_end(&x, before, after);
	e->status = EXPLAIN_OK;
	return e;
}

static const struct candidate *find(const struct explanation *e, uint64_t n)
{
	const struct uuid wanted = id(n);
	for (uint32_t i = 0; i < e->items[0].n; i++) {
		if (uuid_is_equal(&e->items[0].candidates[i].touch.click_id, &wanted))
			return &e->items[0].candidates[i];
	}
	return NULL;
}

static enum touch_fate fate_of(const struct explanation *e, uint64_t n)
{
	const struct candidate *k = find(e, n);
	assert_non_null(k);
	return k->fate;
}

static void test_every_reason(void **state)
{
	const struct touch clicks[] = {
		click(1, 30, 1, "mail"), click(2, 20, 1, "mail"), click(3, 3, 2, "mail"),
		click(4, 2, 1, "ad"),	 click(5, 1, 3, "mail"),  click(6, 0, 1, "mail"),
		click(7, -1, 1, "mail"),
	};
	(void)state;
	struct rules r = rules_of(24 * HOUR, 3, false);
	struct explanation *e = explain(clicks, 7, &r, 100, NULL);
	assert_int_equal(e->items[0].n, 7);
	assert_int_equal(fate_of(e, 1), TOUCH_OUTSIDE_WINDOW);
	assert_int_equal(fate_of(e, 2), TOUCH_BEYOND_PATH);
	assert_int_equal(find(e, 2)->credits[MODEL_FIRST_CLICK], CREDIT_WHOLE);
	assert_int_equal(fate_of(e, 3), TOUCH_OUTSIDE_WINDOW); /* of its own campaign */
	assert_int_equal(find(e, 3)->window_ms, 2 * HOUR);
	assert_int_equal(fate_of(e, 4), TOUCH_IN);
	assert_int_equal(fate_of(e, 5), TOUCH_IN);
	assert_int_equal(fate_of(e, 6), TOUCH_IN);
	assert_int_equal(find(e, 6)->credits[MODEL_LAST_CLICK], CREDIT_WHOLE);
	assert_int_equal(fate_of(e, 7), TOUCH_AFTER);
	assert_int_equal(e->items[0].consistent, CONSISTENT_YES);
	assert_int_equal(e->items[0].window_ms, 24 * HOUR);
	explanation_free(e);
	rules_release(&r);

	r = rules_of(24 * HOUR, 3, true);
	e = explain(clicks, 7, &r, 100, NULL);
	assert_int_equal(fate_of(e, 2), TOUCH_IN);
	assert_int_equal(fate_of(e, 4), TOUCH_OTHER_SOURCE);
	assert_int_equal(fate_of(e, 5), TOUCH_OTHER_CAMPAIGN);
	explanation_free(e);
	rules_release(&r);
}

static void test_a_named_click_is_listed_wherever_it_lies(void **state)
{
	const struct touch clicks[] = {click(1, 90, 3, "ad"), click(2, 80, 1, "mail"),
				       click(3, 1, 1, "mail")};
	(void)state;
	struct rules r = rules_of(24 * HOUR, 10, false);
	struct explanation *e = explain(clicks, 3, &r, 0, &clicks[0]);
	assert_int_equal(e->items[0].n, 2);
	assert_int_equal(fate_of(e, 1), TOUCH_OUTSIDE_WINDOW);
	assert_int_equal(find(e, 1)->credits[MODEL_LAST_CLICK], CREDIT_WHOLE);
	assert_int_equal(find(e, 3)->credits[MODEL_LAST_CLICK], 0);
	assert_int_equal(find(e, 3)->credits[MODEL_LINEAR], CREDIT_WHOLE);
	assert_int_equal(e->items[0].more_before, 1);
	assert_int_equal(e->items[0].consistent, CONSISTENT_YES);
	explanation_free(e);
	rules_release(&r);
}

static void test_no_more_than_the_limit(void **state)
{
	struct touch clicks[CLICKS_MAX];
	(void)state;
	struct rules r = rules_of(24 * HOUR, 2, false);
	for (uint32_t i = 0; i < CLICKS_MAX; i++)
		clicks[i] = click(i + 1, CLICKS_MAX - i, 1, "mail");
	struct explanation *e = explain(clicks, CLICKS_MAX, &r, 5, NULL);
	/* the path, the first touch of all, and five without credit */
	assert_int_equal(e->items[0].n, 8);
	assert_int_equal(e->items[0].more_before, CLICKS_MAX - 8);
	assert_int_equal(e->items[0].more_after, 0);
	assert_int_equal(find(e, CLICKS_MAX - 23)->credits[MODEL_FIRST_CLICK], CREDIT_WHOLE);
	for (uint32_t i = 1; i < e->items[0].n; i++)
		assert_true(e->items[0].candidates[i - 1].touch.time_ms >
			    e->items[0].candidates[i].touch.time_ms);
	explanation_free(e);
	rules_release(&r);
}

static uint32_t random_clicks(struct rng *rng, struct touch *clicks)
{
	static const char *const sources[] = {"mail", "ad", "direct"};
	const uint32_t n = (uint32_t)rng_below(rng, CLICKS_MAX);
	int64_t hours = (int64_t)rng_below(rng, 40);
	for (uint32_t i = 0; i < n; i++) {
		clicks[i] = click(i + 1, hours, rng_below(rng, 3) + 1, sources[rng_below(rng, 3)]);
		hours -= (int64_t)rng_below(rng, 3);
	}
	return n;
}

/* Every touch of the path is listed once, with what is stored; nothing else has credit. */
static void check_credits(const struct explanation *e)
{
	const struct explained *c = &e->items[0];
	int64_t sums[MODELS] = {0}, stored[MODELS] = {0};
	uint32_t listed = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct candidate *k = &c->candidates[i];
		bool any = false;
		for (int m = 0; m < MODELS; m++) {
			sums[m] += k->credits[m];
			any = any || k->credits[m] > 0;
		}
		listed += any;
		assert_true(!any || k->fate == TOUCH_IN || k->fate == TOUCH_BEYOND_PATH ||
			    c->wish.named != NULL);
	}
	for (uint32_t m = 0; m < MODELS; m++) {
		for (uint32_t i = 0; i < c->stored.n; i++)
			stored[m] += c->stored.credits[m * c->stored.n + i];
		assert_int_equal(sums[m], stored[m]);
		assert_true(sums[m] == 0 || sums[m] == CREDIT_WHOLE);
	}
	/* one that is named and the first of all stands twice in the path */
	const bool twice = c->stored.extras == 2 && uuid_is_equal(&c->stored.touches[0].click_id,
								  &c->stored.touches[1].click_id);
	assert_int_equal(listed, c->stored.n - twice);
}

static void test_random_conversions_agree(void **state)
{
	struct rng rng = rng_start();
	struct touch clicks[CLICKS_MAX];
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const uint32_t n = random_clicks(&rng, clicks);
		struct rules r =
			rules_of((int64_t)(1 + rng_below(&rng, 30)) * HOUR,
				 (uint32_t)(1 + rng_below(&rng, 12)), rng_below(&rng, 3) == 0);
		const struct touch *named =
			n > 0 && clicks[0].time_ms <= NOW && rng_below(&rng, 4) == 0 ? &clicks[0]
										     : NULL;
		const uint32_t limit = (uint32_t)rng_below(&rng, 20);
		struct explanation *e = explain(clicks, n, &r, limit, named);
		const struct explained *c = &e->items[0];
		check_credits(e);
		assert_int_equal(c->consistent, CONSISTENT_YES);
		assert_int_equal(c->n + c->more_before + c->more_after, n);
		explanation_free(e);
		rules_release(&r);
	}
}

/* --- writing --- */

static cJSON *parse(struct buf *out)
{
	char error[JSON_ERROR_MAX];
	cJSON *tree = json_parse(out->data, out->len, error);
	if (tree == NULL)
		fail_msg("%s: %s", error, out->data);
	buf_release(out);
	return tree;
}

static const cJSON *at(const cJSON *tree, const char *key)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(tree, key);
	if (found == NULL)
		fail_msg("no key %s", key);
	return found;
}

static const cJSON *first(const cJSON *tree)
{
	return cJSON_GetArrayItem(at(tree, "data"), 0);
}

static void test_an_explanation_is_written(void **state)
{
	const struct touch clicks[] = {click(1, 90, 3, "ad"), click(2, 1, 1, "say \"hi\""),
				       click(3, 0, 1, "mail")};
	struct buf out = BUF_INIT;
	(void)state;
	struct rules r = rules_of(24 * HOUR, 10, false);
	struct explanation *e = explain(clicks, 3, &r, 10, NULL);
	e->items[0].wish.campaign_id = id(0);
	explain_write(e, &out);
	cJSON *tree = parse(&out);
	const cJSON *c = first(tree);
	assert_true(cJSON_IsNull(at(c, "campaign_id")));
	assert_true(cJSON_IsNull(at(c, "click_id")));
	assert_string_equal(at(c, "value")->valuestring, "12.50");
	assert_true(cJSON_IsTrue(at(c, "consistent")));
	assert_true(cJSON_IsNull(at(at(c, "settings"), "models_since")));
	assert_int_equal(at(at(c, "settings"), "window_ms")->valueint, 24 * HOUR);
	assert_int_equal(cJSON_GetArraySize(at(at(c, "settings"), "direct_sources")), 1);
	assert_int_equal(at(at(at(c, "models"), "linear"), "credit")->valueint, CREDIT_WHOLE);
	assert_int_equal(cJSON_GetArraySize(at(c, "candidates")), 3);
	const cJSON *k = cJSON_GetArrayItem(at(c, "candidates"), 1);
	assert_string_equal(at(k, "source")->valuestring, "say \"hi\"");
	assert_true(cJSON_IsTrue(at(k, "in")));
	assert_true(cJSON_IsFalse(at(at(k, "last_click"), "eligible")));
	assert_string_equal(at(at(k, "last_click"), "reason")->valuestring, "other_source");
	assert_int_equal(at(at(k, "credits"), "linear")->valueint, CREDIT_WHOLE / 2);
	k = cJSON_GetArrayItem(at(c, "candidates"), 2);
	assert_string_equal(at(k, "reason")->valuestring, "outside_window");
	cJSON_Delete(tree);

	/* stored otherwise than the rules say */
	e->items[0].consistent = CONSISTENT_NO;
	e->items[0].named_fate = NAMED_OTHER_USER;
	e->items[0].named_click_id = id(77);
	explain_write(e, &out);
	tree = parse(&out);
	assert_true(cJSON_IsFalse(at(first(tree), "consistent")));
	assert_true(cJSON_IsFalse(at(at(first(tree), "named_click"), "wins")));
	assert_string_equal(at(at(first(tree), "named_click"), "reason")->valuestring,
			    "other_user");
	cJSON_Delete(tree);
	explanation_free(e);
	rules_release(&r);
}

static void test_another_path_is_not_consistent(void **state)
{
	static struct explainer x;
	const struct touch clicks[] = {click(1, 2, 1, "mail"), click(2, 1, 1, "mail")};
	(void)state;
	struct rules r = rules_of(24 * HOUR, 10, false);
	struct explanation *e = explain(clicks, 2, &r, 10, NULL);
	struct explained *c = &e->items[0];
	assert_int_equal(c->consistent, CONSISTENT_YES);
	c->stored.credits[MODEL_LINEAR * 2] += 1;
	c->stored.credits[MODEL_LINEAR * 2 + 1] -= 1;
	c->n = 0;
	explain_begin(&x, c, &r, 10, &e->arena);
	explain_offer(&x, &clicks[1]);
	explain_offer(&x, &clicks[0]);
	explain_end(&x, 2, 0);
	assert_int_equal(c->consistent, CONSISTENT_NO);
	assert_int_equal(find(e, 1)->credits[MODEL_LINEAR], CREDIT_WHOLE / 2 + 1); /* the stored */

	/* a click is gone: its touch is listed all the same */
	c->n = 0;
	explain_begin(&x, c, &r, 10, &e->arena);
	explain_offer(&x, &clicks[1]);
	explain_end(&x, 1, 0);
	assert_int_equal(c->consistent, CONSISTENT_NO);
	assert_int_equal(c->n, 2);
	assert_int_equal(c->more_before, 0);
	explanation_free(e);
	rules_release(&r);
}

static void test_a_trace_is_written(void **state)
{
	const struct uuid event = id(5);
	struct trace_key credited[] = {{id(6), NOW + HOUR}};
	struct buf out = BUF_INIT;
	(void)state;
	struct trace *t = trace_new(&event);
	struct traced *it = trace_add(t);
	*it = (struct traced){.topic = "clicks",
			      .partition = 3,
			      .offset = 17,
			      .written_ms = NOW,
			      .time_ms = NOW,
			      .accepted_ms = NOW + 1,
			      .credited = credited,
			      .n_credited = 1,
			      .credited_found = 1,
			      .looked_at_all = true};
	it = trace_add(t);
	*it = (struct traced){.topic = "conversions", .offset = -1, .kind = EVENT_CONVERSION};
	it = trace_add(t);
	*it = (struct traced){.topic = "clicks",
			      .offset = 3,
			      .reason = "conflict",
			      .detail = "another \"content\"",
			      .state = "open"};
	trace_write(t, &out);
	cJSON *tree = parse(&out);
	const cJSON *c = first(tree);
	assert_string_equal(at(c, "state")->valuestring, "stored");
	assert_string_equal(at(c, "event")->valuestring, "click");
	assert_int_equal(at(c, "offset")->valueint, 17);
	assert_string_equal(at(c, "accepted_at")->valuestring, "1970-02-11T16:00:00.001Z");
	assert_int_equal(at(at(c, "credited_by"), "conversions")->valueint, 1);
	assert_non_null(at(first(at(c, "credited_by")), "conversion_id"));
	c = cJSON_GetArrayItem(at(tree, "data"), 1);
	assert_true(cJSON_IsNull(at(c, "offset")));
	assert_true(cJSON_IsNull(at(c, "accepted_at")));
	assert_true(cJSON_IsFalse(at(c, "attributed")));
	assert_true(cJSON_IsNull(at(c, "last_click")));
	c = cJSON_GetArrayItem(at(tree, "data"), 2);
	assert_string_equal(at(c, "state")->valuestring, "dead_letter");
	assert_string_equal(at(c, "reason")->valuestring, "conflict");
	assert_true(cJSON_IsFalse(at(tree, "more")));
	cJSON_Delete(tree);
	trace_free(t);
}

static void test_commas_stand_between_members(void **state)
{
	struct buf out = BUF_INIT;
	(void)state;
	buf_addc(&out, '{');
	field_string(&out, "a", NULL);
	field_string(&out, "b", "{");
	field_key(&out, "c");
	buf_addc(&out, '[');
	field_next(&out);
	buf_addc(&out, '1');
	field_next(&out);
	buf_addc(&out, '2');
	buf_addc(&out, ']');
	field_bool(&out, "d", true);
	buf_addc(&out, '}');
	assert_string_equal(out.data, "{\"a\":null,\"b\":\"{\",\"c\":[1,2],\"d\":true}");
	buf_release(&out);
}

static void test_parameters(void **state)
{
	struct wish_error error;
	uint32_t limit = 0;
	(void)state;
	assert_true(explain_wish_read(NULL, &limit, &error));
	assert_int_equal(limit, EXPLAIN_LIMIT_DEFAULT);
	assert_true(explain_wish_read("limit=0", &limit, &error));
	assert_int_equal(limit, 0);
	assert_true(explain_wish_read("limit=1000", &limit, &error));
	assert_int_equal(limit, EXPLAIN_LIMIT_MAX);
	assert_false(explain_wish_read("limit=1001", &limit, &error));
	assert_string_equal(error.field, "limit");
	assert_false(explain_wish_read("limit=-1", &limit, &error));
	assert_false(explain_wish_read("limit=", &limit, &error));
	assert_false(explain_wish_read("limit=1&limit=1", &limit, &error));
	assert_string_equal(error.code, "duplicate_field");
	assert_false(explain_wish_read("limits=1", &limit, &error));
	assert_string_equal(error.field, "limits");
	assert_false(explain_wish_read("limit=%zz", &limit, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason),
		cmocka_unit_test(test_a_named_click_is_listed_wherever_it_lies),
		cmocka_unit_test(test_no_more_than_the_limit),
		cmocka_unit_test(test_random_conversions_agree),
		cmocka_unit_test(test_an_explanation_is_written),
		cmocka_unit_test(test_another_path_is_not_consistent),
		cmocka_unit_test(test_a_trace_is_written),
		cmocka_unit_test(test_commas_stand_between_members),
		cmocka_unit_test(test_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
