/*
 * Strict JSON: what RFC 8259 allows is read, everything else is refused at the right byte.
 */
#include "test.h"

#include "util/buf.h"
#include "util/json.h"
#include "util/json_memory.h"

static cJSON *parse(const char *text, char error[JSON_ERROR_MAX])
{
	/* an exact copy on the heap, so that the sanitizer sees a read beyond it */
	const size_t len = strlen(text);
	char *copy = xmalloc(len);

	memcpy(copy, text, len);
	cJSON *json = json_parse(copy, len, error);
	free(copy);
	return json;
}

static void test_accepts(void **state)
{
	static const char *const cases[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1.5e-3",
		"1E+400",
		"\"\"",
		"[]",
		"{}",
		" \t\r\n[ ] \t\r\n",
		"{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}",
		"[[],[[]],{}]",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\u00e9\\uD83D\\ude00\"",
		"\"\x7f\"",
		"\"\xc2\x80\xdf\xbf\"",
		"\"\xe0\xa0\x80\xef\xbf\xbf\"",
		"\"\xed\x9f\xbf\xee\x80\x80\"",
		"\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		"{\"\":1,\"\":2}",
		"123456789012345678901234567890123456789012345678901234567890123",
	};
	char error[JSON_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cJSON *json = parse(cases[i], error);
		if (json == NULL)
			fail_msg("%s was refused: %s", cases[i], error);
		cJSON_Delete(json);
	}
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{"", "byte 1: the text ends too early"},
		{"  ", "byte 3: the text ends too early"},
		{"[1,", "byte 4: the text ends too early"},
		{"{\"a\":", "byte 6: the text ends too early"},
		{"[", "byte 2: the text ends too early"},
		{"\xef\xbb\xbf{}", "byte 1: a byte order mark stands before the value"},
		{"{} x", "byte 4: there is text behind the value"},
		{"1 2", "byte 3: there is text behind the value"},
		{"{}}", "byte 3: there is text behind the value"},
		{"[1,]", "byte 4: a value is expected"},
		{"[,1]", "byte 2: a value is expected"},
		{"tru", "byte 1: a value is expected"},
		{"True", "byte 1: a value is expected"},
		{"nul", "byte 1: a value is expected"},
		{"NaN", "byte 1: a value is expected"},
		{"'a'", "byte 1: a value is expected"},
		{"// x\n1", "byte 1: a value is expected"},
		{"\v1", "byte 1: a value is expected"},
		{"[1 2]", "byte 4: a comma or ] is expected"},
		{"[1}", "byte 3: a comma or ] is expected"},
		{"truex", "byte 5: there is text behind the value"},
		{"{\"a\":1]", "byte 7: a comma or } is expected"},
		{"{\"a\" 1}", "byte 6: a colon is expected"},
		{"{\"a\":1,}", "byte 8: a key in double quotes is expected"},
		{"{a:1}", "byte 2: a key in double quotes is expected"},
		{"{1:1}", "byte 2: a key in double quotes is expected"},
		{"{,}", "byte 2: a key in double quotes is expected"},
		{"01", "byte 1: a number is malformed"},
		{"-", "byte 1: a number is malformed"},
		{"[-a]", "byte 2: a number is malformed"},
		{"1.", "byte 1: a number is malformed"},
		{"1.e5", "byte 1: a number is malformed"},
		{"1e", "byte 1: a number is malformed"},
		{"1e+", "byte 1: a number is malformed"},
		{"-01", "byte 1: a number is malformed"},
		{"+1", "byte 1: a value is expected"},
		{".5", "byte 1: a value is expected"},
		{"0x10", "byte 2: there is text behind the value"},
		{"[1234567890123456789012345678901234567890123456789012345678901234]",
		 "byte 2: a number is longer than 63 characters"},
		{"\"abc", "byte 1: a string does not end"},
		{"\"abc\\\"", "byte 1: a string does not end"},
		{"{\"a", "byte 2: a string does not end"},
		{"\"a\nb\"", "byte 3: a string contains a control character"},
		{"\"\x1f\"", "byte 2: a string contains a control character"},
		{"\"\x01\"", "byte 2: a string contains a control character"},
		{"\"\\x\"", "byte 2: a string has an unknown escape"},
		{"\"\\", "byte 2: a string has an unknown escape"},
		{"\"\\u12g4\"", "byte 2: a string has \\u without four hexadecimal digits"},
		{"\"\\u12", "byte 2: a string has \\u without four hexadecimal digits"},
		{"\"a\\u0000\"", "byte 3: a string contains \\u0000"},
		{"\"\\ud83d\"", "byte 2: a string has one half of a surrogate pair"},
		{"\"\\ud83d\\u0041\"", "byte 2: a string has one half of a surrogate pair"},
		{"\"\\ud83dxude00\"", "byte 2: a string has one half of a surrogate pair"},
		{"\"\\ude00\\ude00\"", "byte 2: a string has one half of a surrogate pair"},
		{"\"\\ude00\"", "byte 2: a string has one half of a surrogate pair"},
		{"\"\xff\"", "byte 2: a string is not valid UTF-8"},
		{"{\"\xc3\":1}", "byte 3: a string is not valid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char error[JSON_ERROR_MAX] = "";
		cJSON *json = parse(cases[i].text, error);
		if (json != NULL)
			fail_msg("%s was accepted", cases[i].text);
		assert_string_equal(error, cases[i].error);
	}
}

static void test_nul_byte_is_no_end(void **state)
{
	char error[JSON_ERROR_MAX];

	(void)state;
	assert_null(json_parse("{}\0", 3, error));
	assert_string_equal(error, "byte 3: there is text behind the value");
	assert_null(json_parse("\"a\0b\"", 5, error));
	assert_string_equal(error, "byte 3: a string contains a control character");
	assert_null(json_parse("\0", 1, error));
	assert_null(json_parse("\"\\\0\"", 4, error));
}

/* Arrays and objects in turn, @depth of them. */
static char *nested(int depth)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < depth; i++)
		buf_adds(&b, i % 2 == 0 ? "[" : "{\"k\":");
	buf_adds(&b, "0");
	for (int i = depth - 1; i >= 0; i--)
		buf_adds(&b, i % 2 == 0 ? "]" : "}");
	return buf_detach(&b);
}

static void test_nesting(void **state)
{
	char error[JSON_ERROR_MAX];

	(void)state;
	for (int depth = 0; depth <= 2 * JSON_DEPTH_MAX; depth++) {
		char *text = nested(depth);
		cJSON *json = parse(text, error);
		assert_int_equal(json != NULL, depth <= JSON_DEPTH_MAX);
		if (json == NULL)
			assert_non_null(strstr(error, "the nesting is deeper than 32"));
		cJSON_Delete(json);
		free(text);
	}
}

static void test_depth_is_given_back(void **state)
{
	struct buf b = BUF_INIT;
	char error[JSON_ERROR_MAX];

	(void)state;
	buf_adds(&b, "[0");
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, ",[{\"a\":{}}]");
	buf_adds(&b, "]");
	cJSON *json = json_parse(b.data, b.len, error);
	assert_non_null(json);
	assert_int_equal(cJSON_GetArraySize(json), 1001);
	cJSON_Delete(json);
	buf_release(&b);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		size_t count;
	} cases[] = {
		{"", true, 0},
		{"abc", true, 3},
		{"h\xc3\xa9", true, 2},
		{"\xe2\x82\xac", true, 1},
		{"\xf0\x9f\x98\x80!", true, 2},
		{"\xf4\x8f\xbf\xbf", true, 1},
		{"\x80", false, 0},
		{"\xc3", false, 0},
		{"\xc3(", false, 0},
		{"\xc0\x80", false, 0}, /* overlong */
		{"\xc1\xbf", false, 0},
		{"\xe0\x9f\xbf", false, 0},
		{"\xf0\x8f\xbf\xbf", false, 0},
		{"\xed\xa0\x80", false, 0}, /* surrogate */
		{"\xed\xbf\xbf", false, 0},
		{"\xf4\x90\x80\x80", false, 0}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", false, 0},
		{"\xf8\x88\x80\x80\x80", false, 0},
		{"\xff", false, 0},
		{"\xe2\x82", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(utf8_is_valid(cases[i].text, strlen(cases[i].text)),
				 cases[i].valid);
		if (cases[i].valid)
			assert_int_equal(utf8_count(cases[i].text, strlen(cases[i].text)),
					 cases[i].count);
	}
	assert_true(utf8_is_valid("a\0b", 3));
}

static size_t encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)((0xf00 >> n) | code);
	return n;
}

/* Every code point there is; the surrogates, encoded all the same, are not valid. */
static void test_utf8_of_every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x120000; code++) {
		char text[4];
		const size_t n = encode(code, text);
		const bool valid = code < 0xd800 || (code > 0xdfff && code < 0x110000);
		if (utf8_is_valid(text, n) != valid)
			fail_msg("U+%04X", code);
		for (size_t cut = 1; cut < n; cut++)
			assert_false(utf8_is_valid(text, cut));
	}
}

/* Whatever is done to a good text: no crash, and what is accepted can be printed and read again. */
static void test_damaged_texts(void **state)
{
	static const char good[] =
		"{\"id\":\"\\u00e9\xc3\xa9\",\"v\":[-1.5e-3,true,null,{\"a\":\"\\ud83d\\ude00\"}]}";
	struct rng rng = rng_start();
	char error[JSON_ERROR_MAX];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char text[sizeof(good)];
		memcpy(text, good, sizeof(good));
		for (uint64_t n = rng_below(&rng, 3); n > 0; n--)
			text[rng_below(&rng, sizeof(good) - 1)] =
				rng_below(&rng, 2) ? good[rng_below(&rng, sizeof(good) - 1)]
						   : (char)rng_next(&rng);
		const size_t len =
			rng_below(&rng, 10) == 0 ? rng_below(&rng, sizeof(good)) : sizeof(good) - 1;
		cJSON *json = json_parse(text, len, error);
		if (json == NULL) {
			assert_true(strncmp(error, "byte ", 5) == 0);
			assert_in_range(strtoull(error + 5, NULL, 10), 1, len + 1);
			continue;
		}
		char *printed = cJSON_PrintUnformatted(json);
		cJSON *again = json_parse(printed, strlen(printed), error);
		assert_non_null(again);
		assert_true(cJSON_Compare(json, again, true));
		cJSON_free(printed);
		cJSON_Delete(again);
		cJSON_Delete(json);
	}
}

static cJSON *parsed(const char *text)
{
	char error[JSON_ERROR_MAX];
	cJSON *tree = json_parse(text, strlen(text), error);
	assert_non_null(tree);
	return tree;
}

static void assert_prints(const cJSON *tree, const char *text)
{
	char found[8192];
	assert_true(cJSON_PrintPreallocated((cJSON *)tree, found, sizeof(found), false));
	assert_string_equal(found, text);
}

/* Trees that die in any order, some larger than a thread's block, leave the others whole. */
static void test_trees_do_not_share_memory(void **state)
{
	static const char *const small = "{\"a\":[1,2,\"three\"],\"b\":{\"c\":true}}";
	static const char *const other = "[\"x\",\"y\",{\"z\":null}]";
	char large[4096] = "[\"", *end = large + sizeof(large) - 3;
	(void)state;

	memset(large + 2, 'l', (size_t)(end - large - 2));
	memcpy(end, "\"]", 3);
	for (int round = 0; round < 100; round++) {
		cJSON *first = parsed(small), *second = parsed(large), *third = parsed(other);
		cJSON_Delete(round % 2 == 0 ? first : third);
		cJSON *fourth = parsed(other);
		assert_prints(second, large);
		assert_prints(round % 2 == 0 ? third : first, round % 2 == 0 ? other : small);
		cJSON_Delete(second);
		assert_prints(fourth, other);
		cJSON_Delete(round % 2 == 0 ? third : first);
		assert_prints(fourth, other);
		cJSON_Delete(fourth);
	}
}

int main(void)
{
	json_memory_start();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_nul_byte_is_no_end),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_depth_is_given_back),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_of_every_code_point),
		cmocka_unit_test(test_damaged_texts),
		cmocka_unit_test(test_trees_do_not_share_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
