/*
 * The pure parts of request handling: framing, query strings, elements of a body, gzip, the wishes
 * of journals.
 */
#include "test.h"

#include <civetweb.h>
#include <zlib.h>

#include "net/elements.h"
#include "net/framing.h"
#include "net/gunzip.h"
#include "net/journal.h"
#include "net/query.h"

#define TODAY 20000

/* The framing of a request with up to three header fields; the status of a refusal, or 0. */
static int frame(struct framing *out, const char *version, const char *const fields[][2], int n)
{
	struct mg_request_info info = {.http_version = version, .num_headers = n};
	struct framing_error error;
	for (int i = 0; i < n; i++)
		info.http_headers[i] =
			(struct mg_header){.name = fields[i][0], .value = fields[i][1]};
	return framing_read(&info, out, &error) ? 0 : error.status;
}

#define FRAME(out, ...)                                                                            \
	frame(out, "1.1", (const char *const[][2]){__VA_ARGS__},                                   \
	      (int)ARRAY_LEN(((const char *const[][2]){__VA_ARGS__})))

static void test_ambiguous_bodies_are_refused(void **state)
{
	(void)state;
	struct framing f;
	assert_int_equal(FRAME(&f, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "5"}, {"content-length", "5"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "5, 5"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "12abc"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "-1"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "+1"}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", ""}), 400);
	assert_int_equal(FRAME(&f, {"Content-Length", "1000000000000000000"}), 400);
	assert_int_equal(FRAME(&f, {"Transfer-Encoding", "gzip, chunked"}), 400);
	assert_int_equal(FRAME(&f, {"Transfer-Encoding", "identity"}), 400);
	assert_int_equal(
		FRAME(&f, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}), 400);
	assert_int_equal(frame(&f, "1.0",
			       (const char *const[][2]){{"Transfer-Encoding", "chunked"}}, 1),
			 400);
	assert_int_equal(FRAME(&f, {"Expect", "x"}), 417);
}

static void test_plain_bodies(void **state)
{
	(void)state;
	struct framing f;
	assert_int_equal(FRAME(&f, {"content-length", "5 "}, {"Expect", "100-Continue"}), 0);
	assert_true(f.body == BODY_LENGTH && f.length == 5 && f.expect_continue);
	assert_int_equal(FRAME(&f, {"Content-Length", "0"}, {"Expect", "100-continue"}), 0);
	assert_true(f.body == BODY_NONE && !f.expect_continue);
	assert_int_equal(FRAME(&f, {"Transfer-Encoding", "Chunked"}, {"Trailer", "x"}), 0);
	assert_true(f.body == BODY_CHUNKED && f.has_trailer);
	assert_int_equal(FRAME(&f, {"Content-Encoding", "GZIP"}), 0);
	assert_int_equal(f.coding, CODING_GZIP);
	assert_int_equal(FRAME(&f, {"Content-Encoding", "br"}), 0);
	assert_int_equal(f.coding, CODING_OTHER);
}

static void test_keep_alive(void **state)
{
	(void)state;
	struct framing f;
	assert_int_equal(FRAME(&f, {"Host", "x"}), 0);
	assert_true(f.keep_alive);
	assert_int_equal(FRAME(&f, {"Connection", "TE, Keep-Alive"}), 0);
	assert_true(f.keep_alive);
	assert_int_equal(FRAME(&f, {"Connection", "keep"}), 0);
	assert_false(f.keep_alive);
	assert_int_equal(FRAME(&f, {"Connection", "keep-alive, close"}), 0);
	assert_false(f.keep_alive);
	assert_int_equal(FRAME(&f, {"Connection", "keep-alive, upgrade"}, {"Upgrade", "websocket"}),
			 0);
	assert_false(f.keep_alive);
	assert_int_equal(frame(&f, "1.0", (const char *const[][2]){{"Host", "x"}}, 1), 0);
	assert_false(f.keep_alive);
}

static void test_media_types(void **state)
{
	(void)state;
	assert_int_equal(media_type_parse(NULL), MEDIA_NONE);
	assert_int_equal(media_type_parse(" "), MEDIA_NONE);
	assert_int_equal(media_type_parse("application/json"), MEDIA_JSON);
	assert_int_equal(media_type_parse("Application/JSON ; charset=utf-8"), MEDIA_JSON);
	assert_int_equal(media_type_parse("application/x-ndjson"), MEDIA_NDJSON);
	assert_int_equal(media_type_parse("application/jsonx"), MEDIA_OTHER);
	assert_int_equal(media_type_parse("; x"), MEDIA_OTHER);
}

static void test_query(void **state)
{
	(void)state;
	struct query q = query_of("&a=b%20c+d&&e&f=%c3%A9=");
	assert_true(query_next(&q));
	assert_string_equal(q.name.data, "a");
	assert_string_equal(q.value.data, "b c d");
	assert_true(query_next(&q));
	assert_string_equal(q.name.data, "e");
	assert_string_equal(q.value.data, "");
	assert_true(query_next(&q));
	assert_string_equal(q.value.data, "\xc3\xa9=");
	assert_false(query_next(&q));
	assert_false(q.broken);
	query_release(&q);

	static const char *const broken[] = {"a=%", "a=%4", "a=%4g", "a=%00", "a=%ff", "%zz=1"};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct query b = query_of(broken[i]);
		assert_false(query_next(&b));
		assert_true(b.broken);
		query_release(&b);
	}
}

static void test_elements_of_arrays(void **state)
{
	(void)state;
	const char *text = " [ {\"a\":[1,\"]\\\"}\"]} , 2 ,\"x,]\" ] ";
	struct elements e = elements_of_array(text, strlen(text));
	static const char *const expected[] = {"{\"a\":[1,\"]\\\"}\"]} ", "2 ", "\"x,]\" "};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_true(elements_next(&e));
		assert_int_equal(e.len, strlen(expected[i]));
		assert_memory_equal(e.text, expected[i], e.len);
	}
	assert_false(elements_next(&e));
	assert_null(e.error);

	static const char *const broken[] = {"[",   "[1",    "[1,",   "[,",   "[1,]",
					     "[1}", "[1] x", "[\"a]", "[\"\\"};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct elements b = elements_of_array(broken[i], strlen(broken[i]));
		while (elements_next(&b))
			;
		assert_non_null(b.error);
	}
	struct elements none = elements_of_array("[ ]", 3);
	assert_false(elements_next(&none));
	assert_null(none.error);
}

static void test_elements_of_lines(void **state)
{
	(void)state;
	const char *text = "\n{}\r\n\n  \n[\n";
	struct elements e = elements_of_lines(text, strlen(text));
	assert_true(elements_next(&e));
	assert_memory_equal(e.text, "{}\r", e.len);
	assert_true(elements_next(&e));
	assert_memory_equal(e.text, "[", e.len);
	assert_false(elements_next(&e));
	assert_int_equal(e.n, 2);
}

static size_t pack(const char *text, size_t len, char *out, size_t room)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (z_const Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static void test_gunzip(void **state)
{
	(void)state;
	char packed[512];
	struct buf out = BUF_INIT;
	size_t len = pack("hello", 5, packed, sizeof(packed));
	assert_int_equal(gunzip(packed, len, 5, &out), GUNZIP_OK);
	assert_string_equal(out.data, "hello");
	assert_int_equal(gunzip(packed, len, 4, &out), GUNZIP_TOO_LARGE);
	assert_int_equal(gunzip(packed, len - 1, 5, &out), GUNZIP_BROKEN);
	assert_int_equal(gunzip(packed, 0, 5, &out), GUNZIP_BROKEN);
	assert_int_equal(gunzip("hello", 5, 5, &out), GUNZIP_BROKEN);
	len += pack(" you", 4, packed + len, sizeof(packed) - len);
	assert_int_equal(gunzip(packed, len, 100, &out), GUNZIP_OK);
	assert_string_equal(out.data, "hello you");
	packed[len] = 'x';
	assert_int_equal(gunzip(packed, len + 1, 100, &out), GUNZIP_BROKEN);
	buf_release(&out);
}

static bool wish_of(const char *text, struct journal_wish *wish, struct journal_error *error)
{
	cJSON *tree = cJSON_Parse(text);
	assert_non_null(tree);
	const bool ok = journal_wish_read(tree, TODAY, wish, error);
	cJSON_Delete(tree);
	return ok;
}

static void test_journal_wish(void **state)
{
	(void)state;
	struct journal_wish wish;
	struct journal_error error;
	assert_true(journal_wish_read(NULL, TODAY, &wish, &error));
	assert_true(wish.from == TODAY - 1 && wish.to == TODAY - 1 && !wish.is_explicit);
	assert_true(wish_of("{}", &wish, &error) && !wish.is_explicit);
	assert_true(wish_of("{\"date\":\"1970-01-03\"}", &wish, &error));
	assert_true(wish.from == 2 && wish.to == 2 && wish.is_explicit);
	assert_true(wish_of("{\"to\":\"1970-01-03\",\"from\":\"1970-01-02\"}", &wish, &error));
	assert_true(wish.from == 1 && wish.to == 2);
	static const char *const bad[][2] = {
		{"[]", ""},
		{"{\"date\":\"2024-10-04\"}", "date"}, /* today */
		{"{\"date\":5}", "date"},
		{"{\"from\":\"1970-01-03\"}", "to"},
		{"{\"from\":\"1970-01-03\",\"to\":\"1970-01-02\"}", "from"},
		{"{\"from\":\"1970-01-03\",\"to\":\"2020-01-02\"}", "from"},
		{"{\"date\":\"1970-01-03\",\"to\":\"1970-01-03\"}", "date"},
		{"{\"date\":\"1970-01-03\",\"date\":\"1970-01-03\"}", "date"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(wish_of(bad[i][0], &wish, &error));
		assert_string_equal(error.field, bad[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ambiguous_bodies_are_refused),
		cmocka_unit_test(test_plain_bodies),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_media_types),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_elements_of_arrays),
		cmocka_unit_test(test_elements_of_lines),
		cmocka_unit_test(test_gunzip),
		cmocka_unit_test(test_journal_wish),
	};
	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
