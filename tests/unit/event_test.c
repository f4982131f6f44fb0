/*
 * Reading, checking and writing events.
 */
#include "test.h"

#include "domain/event.h"
#include "domain/plain.h"
#include "util/datetime.h"

#define NOW_MS 1767323045678ll /* 2026-01-02T03:04:05.678Z */
#define ID "\"018f0000-0000-7000-8000-00000000000a\""
#define CAMPAIGN "\"campaign_id\":\"018F0000-0000-7000-8000-00000000000B\""
#define USER "\"user_id\":\"018f0000-0000-7000-8000-00000000000c\""
#define CLICK_DATE "\"click_date\":\"2026-01-02T04:04:05.6789+01:00\""
#define CONVERSION_DATE "\"conversion_date\":\"2026-01-02T03:04:05Z\""
#define SOURCE "\"source\":\"a \\\"b\\\"\""
#define TYPE "\"type\":\"sale\""
#define CLICK "{" CAMPAIGN "," USER "," CLICK_DATE "," SOURCE
#define CONVERSION "{" CAMPAIGN "," USER "," CONVERSION_DATE "," SOURCE "," TYPE

/* Reads @text; the event's strings die with the tree, so it is written to @out before. */
static bool read_text(enum event_kind kind, const char *text, int64_t now_ms,
		      struct event_error *error, struct buf *out)
{
	char why[JSON_ERROR_MAX];
	struct event event;
	cJSON *tree = json_parse(text, strlen(text), why);
	assert_non_null(tree);
	const bool ok = event_read(kind, tree, now_ms, &event, error);
	if (ok && out != NULL)
		event_write(&event, out);
	cJSON_Delete(tree);
	return ok;
}

static void assert_written(enum event_kind kind, const char *text, const char *expected)
{
	struct event_error error;
	struct buf out = BUF_INIT;
	assert_true(read_text(kind, text, NOW_MS, &error, &out));
	assert_string_equal(out.data, expected);
	buf_release(&out);
}

static void assert_refused(enum event_kind kind, const char *text, const char *field)
{
	struct event_error error;
	assert_false(read_text(kind, text, NOW_MS, &error, NULL));
	assert_string_equal(error.field, field);
	assert_true(error.message[0] != '\0');
}

static void test_click_is_written_canonically(void **state)
{
	(void)state;
	assert_written(EVENT_CLICK, CLICK ",\"click_id\":" ID ",\"type\":5,\"event\":\"click\"}",
		       "{\"click_id\":" ID
		       ",\"campaign_id\":\"018f0000-0000-7000-8000-00000000000b\"," USER
		       ",\"click_date\":\"2026-01-02T03:04:05.678Z\"," SOURCE "}");
}

static void test_conversion_is_written_canonically(void **state)
{
	(void)state;
	assert_written(EVENT_CONVERSION,
		       CONVERSION ",\"conversion_id\":" ID ",\"value\":\"12.305\"}",
		       "{\"conversion_id\":" ID "," USER
		       ",\"campaign_id\":\"018f0000-0000-7000-8000-00000000000b\","
		       "\"conversion_date\":\"2026-01-02T03:04:05.000Z\",\"value\":12.31," TYPE
		       "," SOURCE "}");
}

static void test_conversion_may_leave_out_where_it_belongs(void **state)
{
	(void)state;
	assert_written(EVENT_CONVERSION,
		       "{" USER "," CONVERSION_DATE "," TYPE ",\"conversion_id\":" ID
		       ",\"campaign_id\":\"\",\"source\":null,\"click_id\":" ID "}",
		       "{\"conversion_id\":" ID "," USER ",\"click_id\":" ID
		       ",\"conversion_date\":\"2026-01-02T03:04:05.000Z\",\"value\":0.00," TYPE
		       "}");
	assert_refused(EVENT_CONVERSION, CONVERSION ",\"click_id\":\"x\"}", "click_id");
	assert_refused(EVENT_CONVERSION,
		       CONVERSION ",\"click_id\":\"00000000-0000-0000-0000-000000000000\"}",
		       "click_id");
	assert_refused(EVENT_CONVERSION, "{" USER "," CONVERSION_DATE "," TYPE ",\"source\":\"\"}",
		       "source");
	assert_refused(EVENT_CLICK, "{" USER "," CLICK_DATE "," SOURCE "}", "campaign_id");
	assert_refused(EVENT_CLICK, "{" CAMPAIGN "," USER "," CLICK_DATE "}", "source");
}

#define ADJUSTMENT                                                                                 \
	"{\"adjustment_id\":" ID                                                                   \
	",\"conversion_id\":\"018f0000-0000-7000-8000-00000000000d\"," USER                        \
	",\"adjustment_date\":\"2026-01-02T03:04:05.000Z\","

static void test_adjustment_is_written_canonically(void **state)
{
	(void)state;
	static const char *const good[] = {ADJUSTMENT "\"cancel\":true}",
					   ADJUSTMENT "\"refund\":12.31}",
					   ADJUSTMENT "\"value\":0.00}"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_written(EVENT_ADJUSTMENT, good[i], good[i]);
	assert_written(EVENT_ADJUSTMENT,
		       ADJUSTMENT "\"refund\":\"12.305\",\"value\":null,\"source\":5}", good[1]);
}

static void test_adjustment_has_exactly_one_change(void **state)
{
	(void)state;
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"x\":1}", "value");
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"cancel\":true,\"refund\":1}", "refund");
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"cancel\":false}", "cancel");
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"cancel\":\"true\"}", "cancel");
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"refund\":-1}", "refund");
	assert_refused(EVENT_ADJUSTMENT, ADJUSTMENT "\"value\":1,\"value\":1}", "value");
	assert_refused(EVENT_ADJUSTMENT,
		       "{" USER ",\"adjustment_date\":\"2026-01-02T03:04:05Z\",\"cancel\":true}",
		       "conversion_id");
	assert_refused(EVENT_ADJUSTMENT, "{\"conversion_id\":" ID "," USER ",\"cancel\":true}",
		       "adjustment_date");
}

static void test_what_was_written_reads_back(void **state)
{
	(void)state;
	struct event_error error;
	struct buf first = BUF_INIT, second = BUF_INIT;
	assert_true(
		read_text(EVENT_CONVERSION, CONVERSION ",\"value\":0.1}", NOW_MS, &error, &first));
	assert_true(read_text(EVENT_CONVERSION, first.data, -1, &error, &second));
	assert_string_equal(first.data, second.data);
	buf_release(&first);
	buf_release(&second);
}

static void test_id_may_be_left_out_at_the_edge_only(void **state)
{
	(void)state;
	static const char *const left_out[] = {CLICK "}", CLICK ",\"click_id\":null}",
					       CLICK ",\"click_id\":\"\"}"};
	for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
		struct event_error error;
		assert_true(read_text(EVENT_CLICK, left_out[i], NOW_MS, &error, NULL));
		assert_false(read_text(EVENT_CLICK, left_out[i], -1, &error, NULL));
		assert_string_equal(error.field, "click_id");
	}
}

static void test_value(void **state)
{
	(void)state;
	static const char *const good[] = {
		"null", "0", "\"0\"", "10000000000000", "\"10000000000000.00\"", "1e2"};
	static const char *const bad[] = {"-1",	  "\"-0.01\"", "10000000000000.01",
					  "\"\"", "\"1,5\"",   "\" 1\"",
					  "true", "{}",	       "1e300"};
	struct event_error error;
	char text[512];
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		(void)snprintf(text, sizeof(text), CONVERSION ",\"value\":%s}", good[i]);
		assert_true(read_text(EVENT_CONVERSION, text, NOW_MS, &error, NULL));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		(void)snprintf(text, sizeof(text), CONVERSION ",\"value\":%s}", bad[i]);
		assert_refused(EVENT_CONVERSION, text, "value");
	}
}

static void test_errors_name_the_field(void **state)
{
	(void)state;
	assert_refused(EVENT_CLICK, "[]", "");
	assert_refused(EVENT_CLICK, "{}", "campaign_id");
	assert_refused(EVENT_CLICK,
		       "{\"campaign_id\":\"00000000-0000-0000-0000-000000000000\"," USER "}",
		       "campaign_id");
	assert_refused(EVENT_CLICK, "{" CAMPAIGN "}", "user_id");
	assert_refused(EVENT_CLICK, "{" CAMPAIGN "," USER "}", "click_date");
	assert_refused(EVENT_CLICK, "{" CAMPAIGN "," USER "," CLICK_DATE "}", "source");
	assert_refused(EVENT_CONVERSION, "{" CAMPAIGN "," USER "," CONVERSION_DATE "," SOURCE "}",
		       "type");
	assert_refused(EVENT_CLICK, CLICK ",\"click_id\":5}", "click_id");
	assert_refused(EVENT_CLICK, CLICK ",\"click_id\":\"x\"}", "click_id");
	assert_refused(EVENT_CLICK, CLICK "," SOURCE "}", "source");
	assert_refused(EVENT_CLICK, CLICK ",\"source\":null}", "source");
	assert_refused(EVENT_CONVERSION, CONVERSION ",\"value\":1,\"value\":1}", "value");
	assert_refused(EVENT_CLICK,
		       "{" CAMPAIGN "," USER ",\"click_date\":\"2026-01-02T03:04:05\"," SOURCE "}",
		       "click_date");
}

static void test_source_is_counted_in_characters(void **state)
{
	(void)state;
	struct event_error error;
	struct buf text = BUF_INIT;
	buf_adds(&text, "{" CAMPAIGN "," USER "," CLICK_DATE ",\"source\":\"");
	for (int i = 0; i < EVENT_TEXT_MAX; i++)
		buf_adds(&text, "\xf0\x9f\x98\x80");
	const size_t len = text.len;
	buf_adds(&text, "\"}");
	assert_true(read_text(EVENT_CLICK, text.data, NOW_MS, &error, NULL));
	text.len = len;
	buf_adds(&text, "x\"}");
	assert_refused(EVENT_CLICK, text.data, "source");
	buf_release(&text);
	assert_refused(EVENT_CLICK, "{" CAMPAIGN "," USER "," CLICK_DATE ",\"source\":\"\"}",
		       "source");
}

static void test_time_limits(void **state)
{
	(void)state;
	struct event_error error;
	struct event event = {.kind = EVENT_CONVERSION, .time_ms = NOW_MS + 1000};
	assert_true(event_check_time(&event, NOW_MS, 1000, 0, &error));
	assert_false(event_check_time(&event, NOW_MS, 999, 0, &error));
	assert_string_equal(error.field, "conversion_date");
	event.time_ms = NOW_MS - 2 * MS_PER_DAY;
	assert_true(event_check_time(&event, NOW_MS, 0, 2, &error));
	assert_true(event_check_time(&event, NOW_MS, 0, 0, &error));
	event.time_ms--;
	assert_false(event_check_time(&event, NOW_MS, 0, 2, &error));
}

/* A click whose source has something odd in it one time in four. */
static void write_some_click(struct rng *rng, struct buf *out)
{
	static const char *const sources[] = {"search", "a b'c}", "\"", "Z\xc3\xbcrich"};
	const char *source = sources[rng_below(rng, ARRAY_LEN(sources))];
	struct event click = {.kind = EVENT_CLICK, .time_ms = NOW_MS, .source = source};
	click.source_len = strlen(source);
	click.time_ms += (int64_t)rng_below(rng, 100000000);
	for (size_t i = 0; i < sizeof(struct uuid); i++) {
		click.id.bytes[i] = (uint8_t)rng_below(rng, 256);
		click.user_id.bytes[i] = (uint8_t)rng_below(rng, 256);
		click.campaign_id.bytes[i] = (uint8_t)rng_below(rng, 256);
	}
	buf_clear(out);
	event_write(&click, out);
}

/* What the short way reads, the long way reads as well, and the same. */
static bool check_ways(const char *text, struct buf *shorter, struct buf *longer)
{
	struct event click;
	struct event_error error;
	if (!plain_read_click(text, strlen(text), -1, &click))
		return false;
	buf_clear(shorter);
	buf_clear(longer);
	event_write(&click, shorter);
	assert_true(read_text(EVENT_CLICK, text, -1, &error, longer));
	assert_string_equal(shorter->data, longer->data);
	return true;
}

static void test_the_short_way_reads_the_same(void **state)
{
	static const char some[] = "\"\\{},: 0aZ-\x80\x1f\x7fg";
	(void)state;
	struct rng rng = rng_start();
	struct buf text = BUF_INIT, shorter = BUF_INIT, longer = BUF_INIT;
	for (int i = 0; i < 20000; i++) {
		write_some_click(&rng, &text);
		const bool plain =
			strchr(text.data, '\\') == NULL && strchr(text.data, '\xc3') == NULL;
		assert_int_equal(check_ways(text.data, &shorter, &longer), plain);
		for (int n = 0; n < 4; n++) {
			const size_t at = rng_below(&rng, text.len);
			text.data[at] = some[rng_below(&rng, sizeof(some) - 1)];
			(void)check_ways(text.data, &shorter, &longer);
		}
		text.data[rng_below(&rng, text.len)] = '\0';
		assert_false(check_ways(text.data, &shorter, &longer));
	}
	buf_release(&text);
	buf_release(&shorter);
	buf_release(&longer);
}

/* A click as some client writes it: keys in any order, space anywhere between, perhaps one key too
 * few or twice, perhaps one nobody knows. */
static void write_clients_click(struct rng *rng, struct buf *out)
{
	static const char *const members[] = {
		"click_id\"@:@\"00000000-0000-4000-8000-00000000ABCD",
		"campaign_id\"@:@\"00000000-0000-4000-8000-00000000abcd",
		"user_id\"@:@\"a0000000-0000-4000-8000-000000000001",
		"click_date\"@:@\"2026-01-02T03:04:05+05:45",
		"source\"@:@\"search",
		"note\"@:@\"x",
	};
	static const char *const spaces[] = {"", "", "", " ", "\n\t", "\r "};
	const size_t n = rng_below(rng, 8) == 0 ? 6 : 5;
	size_t order[] = {0, 1, 2, 3, 4, 5};
	for (size_t i = n; i-- > 1;) {
		const size_t j = rng_below(rng, i + 1), moved = order[i];
		order[i] = order[j];
		order[j] = moved;
	}
	if (rng_below(rng, 8) == 0)
		order[rng_below(rng, n)] = rng_below(rng, 5);
	const size_t skipped = rng_below(rng, 4) == 0 ? rng_below(rng, n) : n;
	buf_clear(out);
	buf_addf(out, "%s{", spaces[rng_below(rng, ARRAY_LEN(spaces))]);
	bool first = true;
	for (size_t i = 0; i < n; i++) {
		if (i == skipped)
			continue;
		buf_addf(out, "%s%s\"", first ? "" : ",",
			 spaces[rng_below(rng, ARRAY_LEN(spaces))]);
		first = false;
		for (const char *c = members[order[i]]; *c != '\0'; c++) {
			if (*c == '@')
				buf_adds(out, spaces[rng_below(rng, ARRAY_LEN(spaces))]);
			else
				buf_addc(out, *c);
		}
		buf_addf(out, "\"%s", spaces[rng_below(rng, ARRAY_LEN(spaces))]);
	}
	buf_addf(out, "}%s", spaces[rng_below(rng, ARRAY_LEN(spaces))]);
}

static void test_the_short_way_takes_any_order(void **state)
{
	(void)state;
	struct rng rng = rng_start();
	struct buf text = BUF_INIT, shorter = BUF_INIT, longer = BUF_INIT;
	struct event_error error;
	struct event click;
	int read = 0, left_out = 0;
	for (int i = 0; i < 20000; i++) {
		write_clients_click(&rng, &text);
		const bool is_good = read_text(EVENT_CLICK, text.data, NOW_MS, &error, &longer);
		const bool has_id = strstr(text.data, "click_id") != NULL;
		const bool is_known = strstr(text.data, "note") == NULL;
		assert_int_equal(plain_read_click(text.data, text.len, NOW_MS, &click),
				 is_good && is_known);
		assert_int_equal(check_ways(text.data, &shorter, &longer),
				 is_good && is_known && has_id);
		read += is_good && has_id;
		left_out += is_good && !has_id && click.id.bytes[6] >> 4 == 7;
		buf_clear(&longer);
	}
	assert_true(read > 10000);
	assert_true(left_out > 100);
	buf_release(&text);
	buf_release(&shorter);
	buf_release(&longer);
}

static void test_the_short_way_knows_nil_and_lengths(void **state)
{
	struct buf text = BUF_INIT;
	struct event click = {
		.kind = EVENT_CLICK, .time_ms = NOW_MS, .source = "x", .source_len = 1};
	struct event read;
	(void)state;
	event_write(&click, &text);
	assert_false(plain_read_click(text.data, text.len, -1, &read)); /* campaign */
	click.campaign_id.bytes[3] = 1;
	buf_clear(&text);
	event_write(&click, &text);
	assert_true(plain_read_click(text.data, text.len, -1, &read));
	text.len -= 2;
	for (int i = 1; i < EVENT_TEXT_MAX; i++)
		buf_addc(&text, 'x');
	buf_adds(&text, "\"}");
	assert_true(plain_read_click(text.data, text.len, -1, &read));
	text.len -= 2;
	buf_adds(&text, "x\"}");
	assert_false(plain_read_click(text.data, text.len, -1, &read));
	buf_release(&text);
}

static void test_words(void **state)
{
	(void)state;
	enum event_kind kind;
	assert_true(event_kind_parse("click", &kind) && kind == EVENT_CLICK);
	assert_true(event_kind_parse("conversion", &kind) && kind == EVENT_CONVERSION);
	assert_false(event_kind_parse("Click", &kind));
	assert_string_equal(event_word(EVENT_CLICK), "click");
	assert_string_equal(event_id_key(EVENT_CONVERSION), "conversion_id");
	assert_string_equal(event_time_key(EVENT_CLICK), "click_date");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_click_is_written_canonically),
		cmocka_unit_test(test_conversion_is_written_canonically),
		cmocka_unit_test(test_conversion_may_leave_out_where_it_belongs),
		cmocka_unit_test(test_adjustment_is_written_canonically),
		cmocka_unit_test(test_adjustment_has_exactly_one_change),
		cmocka_unit_test(test_what_was_written_reads_back),
		cmocka_unit_test(test_id_may_be_left_out_at_the_edge_only),
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_errors_name_the_field),
		cmocka_unit_test(test_source_is_counted_in_characters),
		cmocka_unit_test(test_time_limits),
		cmocka_unit_test(test_the_short_way_reads_the_same),
		cmocka_unit_test(test_the_short_way_takes_any_order),
		cmocka_unit_test(test_the_short_way_knows_nil_and_lengths),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
