/*
 * Unit tests of dated settings: what a client may ask to be set, what is written, and the
 * parameters that name a row.
 */
#include "test.h"

#include "domain/settings.h"
#include "net/setting_params.h"

#define ID "0190a5b4-0000-7000-8000-0000000000ab"
#define NIL "00000000-0000-0000-0000-000000000000"

static void good_windows_are_read(void **state)
{
	(void)state;
	struct window_wish wish;
	struct refusal refusal;
	cJSON *tree = cJSON_Parse("{\"campaign_id\":\"" ID "\",\"type\":\"\xc3\xa4\","
				  "\"lookback_minutes\":525600,"
				  "\"valid_from\":\"1970-01-01T01:00:01.5+01:00\"}");
	assert_true(window_wish_read(tree, &wish, &refusal));
	assert_int_equal(wish.campaign_id.bytes[15], 0xab);
	assert_string_equal(wish.type, "\xc3\xa4");
	assert_int_equal(wish.lookback_ms, LOOKBACK_MAX_MS);
	assert_int_equal(wish.from_ms, 1500);
	cJSON_Delete(tree);
	tree = cJSON_Parse("{\"campaign_id\":null,\"type\":null,\"valid_from\":null,"
			   "\"lookback_minutes\":1}");
	assert_true(window_wish_read(tree, &wish, &refusal));
	assert_int_equal(wish.campaign_id.bytes[15], 0);
	assert_string_equal(wish.type, "");
	assert_int_equal(wish.lookback_ms, LOOKBACK_MIN_MS);
	assert_true(wish.from_ms == SETTING_ALWAYS);
	cJSON_Delete(tree);
	tree = cJSON_Parse("{\"type\":\"a\",\"lookback_minutes\":null}");
	assert_true(window_wish_read(tree, &wish, &refusal));
	assert_true(wish.lookback_ms < 0);
	cJSON_Delete(tree);
}

static void bad_windows_name_the_field(void **state)
{
	(void)state;
	static const struct {
		const char *text, *code, *field;
	} rows[] = {
		{"[]", "invalid_json", ""},
		{"{}", "missing_field", "lookback_minutes"},
		{"{\"lookback\":1}", "invalid_field", "lookback"},
		{"{\"lookback_minutes\":0}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":525601}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":1.5}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":1e300}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":\"1\"}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":null}", "invalid_field", "lookback_minutes"},
		{"{\"lookback_minutes\":1,\"lookback_minutes\":1}", "duplicate_field",
		 "lookback_minutes"},
		{"{\"lookback_minutes\":1,\"type\":\"\"}", "invalid_field", "type"},
		{"{\"lookback_minutes\":1,\"type\":1}", "invalid_field", "type"},
		{"{\"lookback_minutes\":1,\"campaign_id\":\"" NIL "\"}", "invalid_field",
		 "campaign_id"},
		{"{\"lookback_minutes\":1,\"campaign_id\":\"x\"}", "invalid_field", "campaign_id"},
		{"{\"lookback_minutes\":1,\"valid_from\":\"2026-01-01\"}", "invalid_field",
		 "valid_from"},
		{"{\"lookback_minutes\":1,\"valid_from\":1}", "invalid_field", "valid_from"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct window_wish wish;
		struct refusal refusal;
		cJSON *tree = cJSON_Parse(rows[i].text);
		assert_false(window_wish_read(tree, &wish, &refusal));
		assert_string_equal(refusal.code, rows[i].code);
		assert_string_equal(refusal.field, rows[i].field);
		cJSON_Delete(tree);
	}
}

static void good_models_are_read(void **state)
{
	(void)state;
	struct models_wish wish;
	struct refusal refusal;
	struct buf direct = BUF_INIT;
	cJSON *tree = cJSON_Parse(
		"{\"first_percent\":33.3333,\"last_percent\":0,\"half_life_minutes\":1,"
		"\"path_max\":1000,\"narrow\":false,\"direct_sources\":[\"a\",\"\\\"\"]}");
	assert_true(models_wish_read(tree, &wish, &refusal));
	assert_int_equal(wish.first_ppm, 333333);
	assert_int_equal(wish.last_ppm, 0);
	assert_int_equal(wish.half_life_ms, 60000);
	assert_int_equal(wish.path_max, 1000);
	assert_int_equal(wish.narrow, 0);
	assert_true(wish.from_ms == SETTING_ALWAYS);
	models_wish_write_direct(&wish, &direct);
	assert_string_equal(direct.data, "[\"a\",\"\\\"\"]");
	cJSON_Delete(tree);
	tree = cJSON_Parse("{\"last_percent\":100,\"valid_from\":\"1970-01-01T00:00:00Z\"}");
	assert_true(models_wish_read(tree, &wish, &refusal));
	assert_true(wish.first_ppm < 0 && wish.last_ppm == 1000000 && wish.half_life_ms == 0 &&
		    wish.path_max == 0 && wish.narrow < 0 && wish.direct == NULL &&
		    wish.from_ms == 0);
	cJSON_Delete(tree);
	buf_release(&direct);
}

static void bad_models_name_the_field(void **state)
{
	(void)state;
	static const struct {
		const char *text, *code, *field;
	} rows[] = {
		{"1", "invalid_json", ""},
		{"{}", "missing_field", ""},
		{"{\"valid_from\":\"2026-01-01T00:00:00Z\"}", "missing_field", ""},
		{"{\"first_percent\":-1}", "invalid_field", "first_percent"},
		{"{\"first_percent\":100.0001}", "invalid_field", "first_percent"},
		{"{\"first_percent\":33.33333}", "invalid_field", "first_percent"},
		{"{\"first_percent\":null}", "invalid_field", "first_percent"},
		{"{\"first_percent\":50,\"last_percent\":50.0001}", "invalid_field",
		 "last_percent"},
		{"{\"half_life_minutes\":0}", "invalid_field", "half_life_minutes"},
		{"{\"path_max\":1001}", "invalid_field", "path_max"},
		{"{\"path_max\":0}", "invalid_field", "path_max"},
		{"{\"narrow\":1}", "invalid_field", "narrow"},
		{"{\"direct_sources\":\"a\"}", "invalid_field", "direct_sources"},
		{"{\"direct_sources\":[\"\"]}", "invalid_field", "direct_sources"},
		{"{\"direct_sources\":[\"a\",\"a\"]}", "invalid_field", "direct_sources"},
		{"{\"narrow\":true,\"valid_from\":\"now\"}", "invalid_field", "valid_from"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct models_wish wish;
		struct refusal refusal;
		cJSON *tree = cJSON_Parse(rows[i].text);
		assert_false(models_wish_read(tree, &wish, &refusal));
		assert_string_equal(refusal.code, rows[i].code);
		assert_string_equal(refusal.field, rows[i].field);
		cJSON_Delete(tree);
	}
}

static void windows_of_a_campaign(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *written; /* NULL: refused */
	} rows[] = {
		{"[]", "[]"},
		{"[{\"lookback_minutes\":3}]", "[[\"\",3]]"},
		{"[{\"type\":null,\"lookback_minutes\":null},{\"lookback_minutes\":525600,"
		 "\"type\":\"\\\"\"}]",
		 "[[\"\",null],[\"\\\"\",525600]]"},
		{"null", NULL},
		{"{}", NULL},
		{"[1]", NULL},
		{"[{}]", NULL},
		{"[{\"lookback_minutes\":0}]", NULL},
		{"[{\"lookback_minutes\":1,\"type\":\"\"}]", NULL},
		{"[{\"lookback_minutes\":1,\"valid_from\":null}]", NULL},
		{"[{\"lookback_minutes\":1},{\"type\":null,\"lookback_minutes\":2}]", NULL},
		{"[{\"lookback_minutes\":1,\"type\":\"a\"},{\"type\":\"a\","
		 "\"lookback_minutes\":2}]",
		 NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct refusal refusal;
		struct buf out = BUF_INIT;
		cJSON *tree = cJSON_Parse(rows[i].text);
		assert_int_equal(campaign_windows_check(tree, &refusal), rows[i].written != NULL);
		if (rows[i].written != NULL) {
			campaign_windows_write(tree, &out);
			assert_string_equal(out.data, rows[i].written);
		} else {
			assert_string_equal(refusal.field, "windows");
		}
		cJSON_Delete(tree);
		buf_release(&out);
	}
}

static void rows_are_written(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;
	struct window_rule w = {
		.type = {"", 0}, .from_ms = SETTING_ALWAYS, .lookback_ms = 90 * 1000};
	window_write(&w, true, SETTING_IN_FORCE, &out);
	assert_string_equal(out.data, "{\"campaign_id\":null,\"type\":null,\"lookback_minutes\":"
				      "1.5,\"valid_from\":null,\"state\":\"in_force\"}");
	buf_clear(&out);
	w = (struct window_rule){.type = {"a", 1}, .from_ms = 1, .lookback_ms = -1};
	window_write(&w, false, SETTING_COMING, &out);
	assert_string_equal(out.data, "{\"type\":\"a\",\"lookback_minutes\":null,\"valid_from\":"
				      "\"1970-01-01T00:00:00.001Z\",\"state\":\"coming\"}");
	buf_clear(&out);
	struct text direct[] = {{"a", 1}, {"b", 1}};
	const struct model_rules m = {.from_ms = 0,
				      .first_ppm = 333333,
				      .last_ppm = 400000,
				      .half_life_ms = 3600000,
				      .path_max = 7,
				      .is_narrowed = true,
				      .direct = direct,
				      .n_direct = 2};
	models_write(&m, SETTING_PAST, &out);
	assert_string_equal(out.data,
			    "{\"first_percent\":33.3333,\"last_percent\":40,\"half_life_minutes\":"
			    "60,\"path_max\":7,\"narrow\":true,\"direct_sources\":[\"a\",\"b\"],"
			    "\"valid_from\":\"1970-01-01T00:00:00.000Z\",\"state\":\"past\"}");
	buf_release(&out);
}

static void a_row_is_replaced_by_the_next_of_its_kind(void **state)
{
	(void)state;
	const struct window_rule rows[] = {
		{.type = {"a", 1}, .from_ms = SETTING_ALWAYS},
		{.type = {"a", 1}, .from_ms = 10},
		{.type = {"a", 1}, .from_ms = 20},
		{.type = {"b", 1}, .from_ms = 5},
	};
	assert_int_equal(window_state(&rows[0], &rows[1], 9), SETTING_IN_FORCE);
	assert_int_equal(window_state(&rows[0], &rows[1], 10), SETTING_PAST);
	assert_int_equal(window_state(&rows[1], &rows[2], 9), SETTING_COMING);
	assert_int_equal(window_state(&rows[1], &rows[2], 19), SETTING_IN_FORCE);
	assert_int_equal(window_state(&rows[2], &rows[3], 20), SETTING_IN_FORCE);
	assert_int_equal(window_state(&rows[3], NULL, 5), SETTING_IN_FORCE);
}

static void parameters_name_rows(void **state)
{
	(void)state;
	struct setting_params p;
	struct refusal refusal;
	const unsigned all = PARAM_CAMPAIGN | PARAM_TYPE | PARAM_FROM | PARAM_LIMIT | PARAM_CURSOR;
	assert_true(setting_params_read("campaign_id=" ID "&type=a%26b&valid_from="
					"1970-01-01T00%3A00:00.005Z&limit=10000",
					all, &p, &refusal));
	assert_int_equal(p.given, all & ~(unsigned)PARAM_CURSOR);
	assert_int_equal(p.campaign_id.bytes[15], 0xab);
	assert_string_equal(p.type.data, "a&b");
	assert_int_equal(p.from_ms, 5);
	assert_int_equal(p.limit, 10000);
	setting_params_release(&p);

	const struct window_rule w = {.type = {"a.b", 3}, .from_ms = SETTING_ALWAYS};
	struct buf query = BUF_INIT;
	buf_adds(&query, "cursor=");
	setting_cursor_write(&w, &query);
	assert_true(setting_params_read(query.data, all, &p, &refusal));
	assert_true(p.behind_ms == SETTING_ALWAYS);
	assert_string_equal(p.behind_type.data, "a.b");
	setting_params_release(&p);
	buf_release(&query);

	assert_true(setting_params_read("type=", all, &p, &refusal));
	assert_int_equal(p.given, PARAM_TYPE);
	assert_string_equal(p.type.data, "");
	setting_params_release(&p);
}

static void bad_parameters_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *code, *field;
	} rows[] = {
		{"typ=a", "invalid_field", "typ"},
		{"limit=5", "invalid_field", "limit"}, /* is not asked for here */
		{"type=a&type=b", "duplicate_field", "type"},
		{"campaign_id=", "invalid_field", "campaign_id"},
		{"campaign_id=all", "invalid_field", "campaign_id"},
		{"valid_from=2026-01-01", "invalid_field", "valid_from"},
		{"cursor=" ID ".5", "invalid_field", "cursor"},
		{"cursor=" ID "..a", "invalid_field", "cursor"},
		{"cursor=5.a", "invalid_field", "cursor"},
		{"type=%ff", "invalid_field", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct setting_params p;
		struct refusal refusal;
		assert_false(setting_params_read(
			rows[i].text, PARAM_CAMPAIGN | PARAM_TYPE | PARAM_FROM | PARAM_CURSOR, &p,
			&refusal));
		assert_string_equal(refusal.code, rows[i].code);
		assert_string_equal(refusal.field, rows[i].field);
		setting_params_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_windows_are_read),
		cmocka_unit_test(bad_windows_name_the_field),
		cmocka_unit_test(good_models_are_read),
		cmocka_unit_test(bad_models_name_the_field),
		cmocka_unit_test(windows_of_a_campaign),
		cmocka_unit_test(rows_are_written),
		cmocka_unit_test(a_row_is_replaced_by_the_next_of_its_kind),
		cmocka_unit_test(parameters_name_rows),
		cmocka_unit_test(bad_parameters_are_named),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
