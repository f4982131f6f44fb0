/*
 * UUIDs: the text form both ways, the order, and version 7 ids that only ever rise in a thread.
 */
#include "test.h"

#include <pthread.h>

#include "util/uuid.h"

#define CALLS 1000000
#define THREADS 8
#define CALLS_PER_THREAD 20000

static int64_t time_of(const struct uuid *u)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u->bytes[i];
	return ms;
}

static void assert_is_v7(const struct uuid *u)
{
	assert_int_equal(u->bytes[6] >> 4, 7);
	assert_int_equal(u->bytes[8] >> 6, 2);
}

static void test_reads_and_writes(void **state)
{
	struct uuid u;
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	assert_true(uuid_parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", 36, &u));
	const uint8_t bytes[16] = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3,
				   0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
	assert_memory_equal(u.bytes, bytes, sizeof(bytes));
	uuid_format(&u, text);
	assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");

	assert_true(uuid_parse("ABCDEFAB-CDEF-abcd-EFab-CDEFABCDEFAB", 36, &u));
	uuid_format(&u, text);
	assert_string_equal(text, "abcdefab-cdef-abcd-efab-cdefabcdefab");
}

static void test_write_adds_no_nul(void **state)
{
	struct uuid u = {{0}};
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	uuid_write(&u, text);
	assert_memory_equal(text, "00000000-0000-0000-0000-000000000000x", 37);
}

static void test_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
		"017f22e279b07cc398c4dc0c0c07398f",
		"{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
		"017f22e2_79b0-7cc3-98c4-dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
		" 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"017f22e-279b0-7cc3-98c4-dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c0739\xc3\xa9",
	};
	struct uuid u;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_false(uuid_parse(cases[i], strlen(cases[i]), &u));
}

/* Any one character of a valid text replaced by any byte: valid only if that byte fits there. */
static void test_every_position_is_checked(void **state)
{
	static const char valid[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
	struct uuid u;

	(void)state;
	for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
		for (int c = 0; c < 256; c++) {
			char text[sizeof(valid)];
			memcpy(text, valid, sizeof(valid));
			text[i] = (char)c;
			const bool hex = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;
			const bool expected = valid[i] == '-' ? c == '-' : hex;
			assert_int_equal(uuid_parse(text, UUID_TEXT_LEN, &u), expected);
		}
	}
}

static void test_random_round_trip_and_order(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct uuid a, b, back;
		char text_a[UUID_TEXT_LEN + 1], text_b[UUID_TEXT_LEN + 1];
		for (size_t i = 0; i < 16; i++) {
			a.bytes[i] = (uint8_t)rng_next(&rng);
			b.bytes[i] = rng_below(&rng, 4) > 0 ? a.bytes[i] : (uint8_t)rng_next(&rng);
		}
		uuid_format(&a, text_a);
		uuid_format(&b, text_b);
		assert_true(uuid_parse(text_a, UUID_TEXT_LEN, &back));
		assert_true(uuid_is_equal(&a, &back));
		const int by_text = strcmp(text_a, text_b);
		const int by_bytes = uuid_compare(&a, &b);
		assert_int_equal((by_text > 0) - (by_text < 0), (by_bytes > 0) - (by_bytes < 0));
		assert_int_equal(uuid_is_equal(&a, &b), by_bytes == 0);
	}
}

/* Flipping any single bit changes the hash, and about half of its bits on average. */
static void test_hash_mixes_all_bits(void **state)
{
	struct rng rng = rng_start();
	uint64_t flipped = 0, trials = 0;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct uuid u;
		for (size_t i = 0; i < 16; i++)
			u.bytes[i] = (uint8_t)rng_next(&rng);
		const uint64_t before = uuid_hash(&u);
		for (int bit = 0; bit < 128; bit++) {
			struct uuid v = u;
			v.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(uuid_hash(&v) != before);
			flipped += (uint64_t)__builtin_popcountll(uuid_hash(&v) ^ before);
			trials++;
		}
	}
	assert_in_range(flipped / trials, 30, 33);
}

static void test_v7_carries_the_time(void **state)
{
	static const int64_t times[] = {0, 1, 1645557742000, 281474976710655 - 100};
	struct uuid u;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		uuid_v7(times[i], &u);
		assert_is_v7(&u);
		assert_int_equal(time_of(&u), times[i]);
	}
}

/* A thread that is new to the ids: its clock stands still, jumps back, and starts before 1970. */
static void *rising_ids(void *arg)
{
	struct uuid last = {{0}}, u;
	const int64_t start_ms = 1767323045678;
	int64_t *last_ms = arg;

	for (int i = 0; i < CALLS; i++) {
		int64_t now = start_ms + i / 50000;
		if (i % 1000 == 999)
			now -= 3600000;
		if (i == 0)
			now = -5;
		uuid_v7(now, &u);
		if (uuid_compare(&u, &last) <= 0 || u.bytes[6] >> 4 != 7 || u.bytes[8] >> 6 != 2)
			return NULL;
		last = u;
	}
	*last_ms = time_of(&last) - start_ms;
	return arg;
}

static void test_v7_rises_strictly(void **state)
{
	int64_t ahead_ms;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, rising_ids, &ahead_ms), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	/* A millisecond holds 2049 to 4096 ids, so a million take 245 to 488 of them. */
	assert_in_range(ahead_ms, 240, 490);
}

static void *many_ids(void *arg)
{
	struct uuid *ids = arg;

	for (int i = 0; i < CALLS_PER_THREAD; i++)
		uuid_v7(1767323045678, &ids[i]);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return uuid_compare(a, b);
}

static void test_v7_differs_between_threads(void **state)
{
	struct uuid *ids = xcalloc(THREADS * CALLS_PER_THREAD, sizeof(*ids));
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, many_ids, ids + i * CALLS_PER_THREAD), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	qsort(ids, THREADS * CALLS_PER_THREAD, sizeof(*ids), compare);
	for (int i = 1; i < THREADS * CALLS_PER_THREAD; i++)
		assert_false(uuid_is_equal(&ids[i - 1], &ids[i]));
	free(ids);
}

/* Every one of the 62 random bits is set about half of the time. */
static void test_v7_is_random(void **state)
{
	enum { SAMPLES = 20000 };
	int set[64] = {0};

	(void)state;
	for (int i = 0; i < SAMPLES; i++) {
		struct uuid u;
		uuid_v7(0, &u);
		for (int bit = 2; bit < 64; bit++)
			set[bit] += u.bytes[8 + bit / 8] >> (7 - bit % 8) & 1;
	}
	for (int bit = 2; bit < 64; bit++)
		assert_in_range(set[bit], SAMPLES * 45 / 100, SAMPLES * 55 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_writes),
		cmocka_unit_test(test_write_adds_no_nul),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_every_position_is_checked),
		cmocka_unit_test(test_random_round_trip_and_order),
		cmocka_unit_test(test_hash_mixes_all_bits),
		cmocka_unit_test(test_v7_carries_the_time),
		cmocka_unit_test(test_v7_rises_strictly),
		cmocka_unit_test(test_v7_differs_between_threads),
		cmocka_unit_test(test_v7_is_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
