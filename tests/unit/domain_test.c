/*
 * Unit tests of the small pure parts: partitioning, totals, decoding, arenas and sets of ids.
 */
#include "test.h"

#include "domain/decode.h"
#include "domain/partition.h"
#include "domain/totals.h"
#include "util/arena.h"
#include "util/uuid_set.h"

/* Values of org.apache.kafka.common.utils.Utils.murmur2, as its own tests list them. */
static void murmur2_equals_kafka(void **state)
{
	static const struct {
		const char *text;
		int32_t hash;
	} cases[] = {
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal((int32_t)murmur2(cases[i].text, strlen(cases[i].text)),
				 cases[i].hash);
}

static int32_t day(const char *text)
{
	int32_t d = 0;
	assert_true(date_parse(text, strlen(text), &d));
	return d;
}

static void default_ranges(void **state)
{
	(void)state;
	const int32_t today = day("2026-11-23");
	assert_int_equal(group_default_from(GROUP_DAILY, today), day("2026-10-25"));
	assert_int_equal(group_default_from(GROUP_WEEKLY, today), day("2025-12-01"));
	assert_int_equal(group_default_from(GROUP_MONTHLY, today), day("2025-12-01"));
	assert_int_equal(group_default_from(GROUP_HOURLY, today), day("2026-11-22"));
	assert_int_equal(group_default_from(GROUP_TOTAL, today), day("2026-10-25"));
}

static const char click[] = "{\"click_id\":\"0190a000-0000-7000-8000-000000000001\","
			    "\"campaign_id\":\"550e8400-e29b-41d4-a716-446655440000\","
			    "\"user_id\":\"550e8400-e29b-41d4-a716-446655440001\","
			    "\"click_date\":\"2026-11-23T10:00:00.000Z\",\"source\":\"google\"}";

static const char *decode(const char *text, int32_t partition, struct event *event)
{
	static struct arena arena;
	const char *detail = NULL;
	const struct record record = {
		.topic = EVENT_CLICK,
		.payload = text,
		.payload_len = text != NULL ? (uint32_t)strlen(text) : 0,
	};
	arena_release(&arena);
	const char *dead = record_decode(&record, partition, 4, &arena, event, &detail);
	assert_true(dead == NULL || (detail != NULL && detail[0] != '\0'));
	if (dead != NULL)
		arena_release(&arena);
	return dead;
}

static void records_are_decoded_or_named_dead(void **state)
{
	(void)state;
	struct event event;
	struct uuid user;
	assert_true(uuid_parse("550e8400-e29b-41d4-a716-446655440001", UUID_TEXT_LEN, &user));
	const int32_t right = partition_of_user(&user, 4);
	assert_null(decode(click, right, &event));
	assert_string_equal(event.source, "google");
	assert_true(uuid_is_equal(&event.user_id, &user));
	assert_string_equal(decode(click, (right + 1) % 4, &event), DEAD_MISPLACED);
	assert_string_equal(decode("{", right, &event), DEAD_MALFORMED);
	assert_string_equal(decode("{}", right, &event), DEAD_MALFORMED);
	assert_string_equal(decode(NULL, right, &event), DEAD_MALFORMED);
}

static void a_set_holds_what_was_added(void **state)
{
	(void)state;
	struct rng rng = rng_start();
	struct uuid_set set = UUID_SET_INIT;
	struct uuid ids[1000];
	const struct uuid nil = {{0}};
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		for (size_t b = 0; b < sizeof(ids[i].bytes); b++)
			ids[i].bytes[b] = (uint8_t)rng_below(&rng, 256);
		assert_false(uuid_set_has(&set, &ids[i]));
		assert_true(uuid_set_add(&set, &ids[i]));
		assert_false(uuid_set_add(&set, &ids[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_true(uuid_set_has(&set, &ids[i]));
	assert_false(uuid_set_add(&set, &nil));
	assert_int_equal(set.count, ARRAY_LEN(ids));
	uuid_set_release(&set);
}

static void an_arena_keeps_what_it_gave(void **state)
{
	(void)state;
	struct arena a = ARENA_INIT;
	char *kept[300];
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
			char text[1000];
			const size_t len = (i * 37) % sizeof(text);
			memset(text, 'a' + (int)(i % 26), len);
			kept[i] = arena_strndup(&a, text, len);
		}
		char *large = arena_alloc(&a, 200000);
		memset(large, 0, 200000);
		for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
			assert_int_equal(strlen(kept[i]), (i * 37) % 1000);
			assert_true(kept[i][0] == '\0' || kept[i][0] == 'a' + (char)(i % 26));
		}
		arena_clear(&a);
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(murmur2_equals_kafka),
		cmocka_unit_test(default_ranges),
		cmocka_unit_test(records_are_decoded_or_named_dead),
		cmocka_unit_test(a_set_holds_what_was_added),
		cmocka_unit_test(an_arena_keeps_what_it_gave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
