/*
 * The growing string: it grows, stays terminated, and writes JSON strings that cJSON reads back.
 */
#include "test.h"

#include <cjson/cJSON.h>

#include "util/buf.h"

static void test_starts_empty(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_null(b.data);
	buf_add(&b, NULL, 0);
	assert_string_equal(b.data, "");
	buf_adds(&b, "abc");
	assert_int_equal(b.len, 3);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_release(&b);
}

static void test_grows_byte_by_byte(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_true(b.cap > b.len);
		assert_int_equal(b.data[b.len], '\0');
	}
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_release(&b);
}

static void test_keeps_nul_bytes(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_release(&b);
}

/* Lengths around every power of two, where the first try of vsnprintf just fits or just does not.
 */
static void test_addf_of_any_length(void **state)
{
	(void)state;
	for (int before = 0; before < 200; before += 7) {
		for (int width = 1; width < 600; width++) {
			struct buf b = BUF_INIT;
			buf_addf(&b, "%*s", before, "");
			buf_addf(&b, "%0*d|", width, 7);
			assert_int_equal(b.len, before + width + 1);
			assert_int_equal(strlen(b.data), b.len);
			assert_int_equal(b.data[b.len - 2], '7');
			buf_release(&b);
		}
	}
}

static void test_reserve_keeps_content(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_reserve(&b, 10);
	assert_string_equal(b.data, "");
	buf_adds(&b, "abc");
	buf_reserve(&b, 1000);
	assert_true(b.cap >= 1004);
	const char *before = b.data;
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, 'x');
	assert_ptr_equal(b.data, before);
	assert_memory_equal(b.data, "abcxxx", 6);
	buf_release(&b);
}

static void test_detach(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	char *empty = buf_detach(&b);
	assert_string_equal(empty, "");
	free(empty);
	buf_adds(&b, "mine");
	char *s = buf_detach(&b);
	assert_string_equal(s, "mine");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	free(s);
}

static void test_json_strings(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{"", 0, "\"\""},
		{"abc", 3, "\"abc\""},
		{"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
		{"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
		{"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\""},
		{"a\0b", 3, "\"a\\u0000b\""},
		{"Zürich €", 11, "\"Zürich €\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT;
		buf_add_json(&b, cases[i].in, cases[i].len);
		assert_string_equal(b.data, cases[i].out);
		buf_release(&b);
	}
}

static void test_json_strings_read_back(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[40];
		const size_t len = rng_below(&rng, sizeof(text));
		for (size_t i = 0; i < len; i++)
			text[i] = (char)(1 + rng_below(&rng, 127));
		struct buf b = BUF_INIT;
		buf_add_json(&b, text, len);
		cJSON *json = cJSON_ParseWithLength(b.data, b.len);
		assert_true(cJSON_IsString(json));
		assert_int_equal(strlen(json->valuestring), len);
		assert_memory_equal(json->valuestring, text, len);
		cJSON_Delete(json);
		buf_release(&b);
	}
}

/* Before, within and behind what is there, with little room left and with none. */
static void test_insert(void **state)
{
	(void)state;
	for (size_t len = 0; len < 300; len += 7) {
		for (size_t at = 0; at <= len; at += len < 10 ? 1 : len / 3) {
			struct buf b = BUF_INIT;
			for (size_t i = 0; i < len; i++)
				buf_addc(&b, (char)('a' + i % 26));
			buf_insert(&b, at, "", 0);
			assert_int_equal(b.len, len);
			buf_insert(&b, at, "<in-between>", 12);
			assert_int_equal(b.len, len + 12);
			assert_int_equal(b.data[b.len], '\0');
			assert_memory_equal(b.data + at, "<in-between>", 12);
			for (size_t i = 0; i < len; i++)
				assert_int_equal(b.data[i < at ? i : i + 12], 'a' + i % 26);
			buf_release(&b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_empty),
		cmocka_unit_test(test_grows_byte_by_byte),
		cmocka_unit_test(test_keeps_nul_bytes),
		cmocka_unit_test(test_addf_of_any_length),
		cmocka_unit_test(test_reserve_keeps_content),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_insert),
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_json_strings_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
