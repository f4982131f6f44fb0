/*
 * Unit tests of campaigns: what a client may ask to be set, what is written, and the parameters of
 * the list.
 */
#include "test.h"

#include "domain/campaign.h"
#include "net/campaign_page.h"
#include "net/campaigns.h"

#define ID "0190a5b4-0000-7000-8000-0000000000ab"

static bool wish_of(const char *text, bool creates, struct campaign_wish *wish,
		    struct refusal *error, cJSON **tree)
{
	*tree = cJSON_Parse(text);
	assert_non_null(*tree);
	return campaign_wish_read(*tree, creates, wish, error);
}

static void good_wishes_are_read(void **state)
{
	(void)state;
	struct campaign_wish wish;
	struct refusal error;
	struct buf tags = BUF_INIT;
	cJSON *tree;
	assert_true(wish_of("{\"name\":\"n\",\"campaign_id\":\"" ID "\",\"status\":\"paused\","
			    "\"target_url\":\"HTTPS://u@h:1/?a={b}\",\"tags\":[\"a\",\"\\\"\"]}",
			    true, &wish, &error, &tree));
	assert_string_equal(wish.name, "n");
	assert_string_equal(wish.status, "paused");
	assert_string_equal(wish.target_url, "HTTPS://u@h:1/?a={b}");
	assert_int_equal(wish.id.bytes[15], 0xab);
	campaign_wish_write_tags(&wish, &tags);
	assert_string_equal(tags.data, "[\"a\",\"\\\"\"]");
	cJSON_Delete(tree);

	assert_true(wish_of("{}", false, &wish, &error, &tree));
	assert_true(wish.name == NULL && wish.status == NULL && wish.target_url == NULL &&
		    wish.tags == NULL && !wish.no_tags && wish.windows == NULL);
	cJSON_Delete(tree);

	assert_true(wish_of("{\"target_url\":null,\"tags\":null}", false, &wish, &error, &tree));
	assert_string_equal(wish.target_url, "");
	assert_true(wish.no_tags);
	buf_clear(&tags);
	campaign_wish_write_tags(&wish, &tags);
	assert_string_equal(tags.data, "[]");
	cJSON_Delete(tree);
	buf_release(&tags);
}

static void bad_wishes_name_the_field(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool creates;
		const char *code, *field;
	} rows[] = {
		{"[]", true, "invalid_json", ""},
		{"{}", true, "missing_field", "name"},
		{"{\"name\":null}", false, "invalid_field", "name"},
		{"{\"name\":\"\"}", false, "invalid_field", "name"},
		{"{\"name\":\"a\\nb\"}", false, "invalid_field", "name"},
		{"{\"name\":5}", true, "invalid_field", "name"},
		{"{\"name\":\"a\",\"name\":\"b\"}", true, "duplicate_field", "name"},
		{"{\"name\":\"a\",\"colour\":\"b\"}", true, "invalid_field", "colour"},
		{"{\"name\":\"a\",\"windows\":null}", true, "invalid_field", "windows"},
		{"{\"windows\":[{\"lookback_minutes\":0}]}", false, "invalid_field", "windows"},
		{"{\"name\":\"a\",\"campaign_id\":\"x\"}", true, "invalid_field", "campaign_id"},
		{"{\"name\":\"a\",\"campaign_id\":\"00000000-0000-0000-0000-000000000000\"}", true,
		 "invalid_field", "campaign_id"},
		{"{\"campaign_id\":\"" ID "\"}", false, "invalid_field", "campaign_id"},
		{"{\"status\":\"Active\"}", false, "invalid_field", "status"},
		{"{\"status\":null}", false, "invalid_field", "status"},
		{"{\"target_url\":\"ftp://a\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http://\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http:///x\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http://u@/x\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http://:80\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http://a b\"}", false, "invalid_field", "target_url"},
		{"{\"target_url\":\"http://\xc3\xa4\"}", false, "invalid_field", "target_url"},
		{"{\"tags\":\"a\"}", false, "invalid_field", "tags"},
		{"{\"tags\":[1]}", false, "invalid_field", "tags"},
		{"{\"tags\":[\"\"]}", false, "invalid_field", "tags"},
		{"{\"tags\":[\"a\",\"b\",\"a\"]}", false, "invalid_field", "tags"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct campaign_wish wish;
		struct refusal error = {0};
		cJSON *tree;
		assert_false(wish_of(rows[i].text, rows[i].creates, &wish, &error, &tree));
		assert_string_equal(error.code, rows[i].code);
		assert_string_equal(error.field, rows[i].field);
		cJSON_Delete(tree);
	}
}

/* A body with @key holding @n times @unit, inside @open and @close. */
static bool fits(const char *key, const char *open, const char *unit, int n, const char *close)
{
	struct buf b = BUF_INIT;
	struct campaign_wish wish;
	struct refusal error;
	cJSON *tree;
	buf_addf(&b, "{\"%s\":%s", key, open);
	for (int i = 0; i < n; i++)
		buf_adds(&b, unit);
	buf_addf(&b, "%s}", close);
	const bool ok = wish_of(b.data, false, &wish, &error, &tree);
	cJSON_Delete(tree);
	buf_release(&b);
	return ok;
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	struct buf tags = BUF_INIT;
	assert_true(fits("name", "\"", "\xc3\xa4", 255, "\""));
	assert_false(fits("name", "\"", "\xc3\xa4", 256, "\""));
	assert_true(fits("target_url", "\"http://h/", "x", 2048 - 9, "\""));
	assert_false(fits("target_url", "\"http://h/", "x", 2049 - 9, "\""));
	assert_true(fits("tags", "[\"", "\xc3\xa4", 64, "\"]"));
	assert_false(fits("tags", "[\"", "\xc3\xa4", 65, "\"]"));
	buf_adds(&tags, "[\"0\"");
	for (int i = 1; i < 32; i++)
		buf_addf(&tags, ",\"%d\"", i);
	assert_true(fits("tags", tags.data, "", 0, "]"));
	assert_false(fits("tags", tags.data, ",\"32\"", 1, "]"));
	buf_release(&tags);
	/* A long unknown key is cut between two characters. */
	struct campaign_wish wish;
	struct refusal error;
	cJSON *tree;
	assert_false(wish_of("{\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			     "\":1}",
			     false, &wish, &error, &tree));
	assert_int_equal(strlen(error.field), 62);
	cJSON_Delete(tree);
}

static void names_are_folded(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", ""},
		{"Abc XYZ09", "abc xyz09"},
		{"\xc3\x84\xc3\x96\xc3\x9c\xc3\x9f\xc3\x97",
		 "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\x97"},
		{"\xc4\x80\xc4\x81\xc5\x81\xc5\x82\xc5\xb8",
		 "\xc4\x81\xc4\x81\xc5\x82\xc5\x82\xc3\xbf"},
		{"\xce\x91\xce\xa9\xce\x86\xce\x8c", "\xce\xb1\xcf\x89\xce\xac\xcf\x8c"},
		{"\xd0\x90\xd0\xaf\xd0\x81", "\xd0\xb0\xd1\x8f\xd1\x91"},
		{"\xe4\xb8\xad\xf0\x9f\x98\x80"
		 "A",
		 "\xe4\xb8\xad\xf0\x9f\x98\x80"
		 "a"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = BUF_INIT;
		campaign_fold(rows[i][0], strlen(rows[i][0]), &out);
		assert_string_equal(out.len == 0 ? "" : out.data, rows[i][1]);
		buf_release(&out);
	}
}

static void campaigns_are_copied_and_written(void **state)
{
	(void)state;
	const char *const tags[] = {"a", "\"b\""};
	const struct window_rule windows[] = {
		{.type = {"", 0}, .from_ms = SETTING_ALWAYS, .lookback_ms = 60000},
		{.type = {"", 0}, .from_ms = 100, .lookback_ms = 120000},
		{.type = {"", 0}, .from_ms = 200, .lookback_ms = 180000},
		{.type = {"ended", 5}, .from_ms = 50, .lookback_ms = -1},
	};
	struct campaign from = {.status = CAMPAIGN_ARCHIVED,
				.revision = 7,
				.created_us = -1,
				.updated_us = 1000999,
				.name = "N\xc3\x84me",
				.tags = tags,
				.n_tags = 2,
				.windows = windows,
				.n_windows = 4};
	assert_true(uuid_parse(ID, UUID_TEXT_LEN, &from.id));
	struct campaign *c = campaign_new(&from);
	struct buf out = BUF_INIT;
	campaign_write(c, 150, &out);
	assert_string_equal(out.data,
			    "{\"campaign_id\":\"" ID
			    "\",\"name\":\"N\xc3\x84me\",\"status\":\"archived\","
			    "\"target_url\":null,\"tags\":[\"a\",\"\\\"b\\\"\"],"
			    "\"windows\":[{\"type\":null,\"lookback_minutes\":2,\"valid_from\":"
			    "\"1970-01-01T00:00:00.100Z\",\"state\":\"in_force\"},{\"type\":null,"
			    "\"lookback_minutes\":3,\"valid_from\":\"1970-01-01T00:00:00.200Z\","
			    "\"state\":\"coming\"}],"
			    "\"created_at\":\"1969-12-31T23:59:59.999Z\","
			    "\"updated_at\":\"1970-01-01T00:00:01.000Z\",\"revision\":7}");
	assert_string_equal(c->folded, "n\xc3\xa4me");
	assert_true(campaign_has_tag(c, "\"b\"") && !campaign_has_tag(c, "b"));
	free(c);
	buf_release(&out);
}

static void list_parameters(void **state)
{
	(void)state;
	struct page_wish wish;
	struct wish_error error;
	assert_true(page_wish_read(NULL, &wish, &error));
	assert_true(wish.filter.limit == PAGE_LIMIT_DEFAULT && wish.filter.search == NULL &&
		    wish.filter.tag == NULL && !wish.filter.has_behind && !wish.filter.has_status);
	page_wish_release(&wish);
	assert_true(page_wish_read("limit=1000&search=%C3%84b&tag=T+x&status=paused&cursor=-5." ID,
				   &wish, &error));
	assert_int_equal(wish.filter.limit, 1000);
	assert_string_equal(wish.filter.search, "\xc3\xa4"
						"b");
	assert_string_equal(wish.filter.tag, "T x");
	assert_true(wish.filter.has_status && wish.filter.status == CAMPAIGN_PAUSED);
	assert_true(wish.filter.has_behind && wish.filter.behind.created_us == -5);
	char cursor[PAGE_CURSOR_MAX];
	page_cursor_format(&wish.filter.behind, cursor);
	assert_string_equal(cursor, "-5." ID);
	page_wish_release(&wish);
	static const char *const bad[][2] = {
		{"limit=0", "limit"},	   {"limit=1001", "limit"}, {"limit=-1", "limit"},
		{"limit=1x", "limit"},	   {"limit=", "limit"},	    {"limit=1&limit=1", "limit"},
		{"cursor=", "cursor"},	   {"cursor=5", "cursor"},  {"cursor=5." ID "0", "cursor"},
		{"cursor=." ID, "cursor"}, {"search=", "search"},   {"status=x", "status"},
		{"tag=", "tag"},	   {"offset=1", "offset"},  {"search=%", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(page_wish_read(bad[i][0], &wish, &error));
		assert_string_equal(error.field, bad[i][1]);
		page_wish_release(&wish);
	}
}

static void entity_tags(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		int64_t revision;
	} rows[] = {
		{NULL, true, 0},      {"*", true, 0},
		{"\"17\"", true, 17}, {"W/\"17\"", true, -1},
		{"\"x\"", true, -1},  {"\"\"", true, -1},
		{"\"0\"", true, -1},  {"17", false, 0},
		{"\"17", false, 0},   {"\"1\", \"2\"", false, 0},
		{"", false, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t revision;
		assert_int_equal(if_match_parse(rows[i].text, &revision), rows[i].ok);
		if (rows[i].ok)
			assert_int_equal(revision, rows[i].revision);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_wishes_are_read),
		cmocka_unit_test(bad_wishes_name_the_field),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(names_are_folded),
		cmocka_unit_test(campaigns_are_copied_and_written),
		cmocka_unit_test(list_parameters),
		cmocka_unit_test(entity_tags),
	};
	return cmocka_run_group_tests_name("campaign", tests, NULL, NULL);
}
