/*
 * Reading, checking and writing dated settings.
 *
 * Pure functions; any thread.
 */
#include "domain/settings.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "util/datetime.h"

#define MS_PER_MINUTE 60000
#define PPM_PER_PERCENT 10000
#define PERCENT_ERROR 1e-6 /* of a decimal number's nearest double, in parts per million */

enum window_key { WINDOW_CAMPAIGN, WINDOW_TYPE, WINDOW_LOOKBACK, WINDOW_FROM, WINDOW_KEYS };
enum models_key {
	MODELS_FIRST,
	MODELS_LAST,
	MODELS_HALF_LIFE,
	MODELS_PATH_MAX,
	MODELS_NARROW,
	MODELS_DIRECT,
	MODELS_FROM,
	MODELS_KEYS
};

static const char *const window_names[WINDOW_KEYS] = {"campaign_id", "type", "lookback_minutes",
						      "valid_from"};
static const char *const models_names[MODELS_KEYS] = {
	"first_percent", "last_percent",   "half_life_minutes", "path_max",
	"narrow",	 "direct_sources", "valid_from"};
static const char *const states[] = {
	[SETTING_PAST] = "past", [SETTING_IN_FORCE] = "in_force", [SETTING_COMING] = "coming"};

#define EXPECTED_CAMPAIGN                                                                          \
	"expected a UUID other than the nil UUID: 36 characters, as 8-4-4-4-12; or null: every "   \
	"campaign"
#define EXPECTED_TYPE "expected a string of 1 to 255 characters, or null: every type"
#define EXPECTED_LOOKBACK                                                                          \
	"expected whole minutes from 1 to 525600 (365 days), or null: the less specific window "   \
	"holds again"
#define EXPECTED_ENDLESS                                                                           \
	"expected whole minutes from 1 to 525600 (365 days); null needs a campaign_id or a type"
#define EXPECTED_FROM "expected a time as RFC 3339 with an offset, such as 2026-01-31T00:00:00Z"
#define EXPECTED_WINDOW_KEYS "unknown; expected campaign_id, type, lookback_minutes or valid_from"
#define EXPECTED_MODELS_KEYS                                                                       \
	"unknown; expected first_percent, last_percent, half_life_minutes, path_max, narrow, "     \
	"direct_sources or valid_from"
#define EXPECTED_PERCENT "expected a number from 0 to 100 with at most four decimals"
#define EXPECTED_SHARES "expected first_percent and last_percent to be at most 100 together"
#define EXPECTED_MINUTES "expected whole minutes from 1 to 525600 (365 days)"
#define EXPECTED_PATH_MAX "expected a whole number from 1 to 1000"
#define EXPECTED_SOURCES "expected an array of at most 100 different strings of 1 to 255 characters"
#define EXPECTED_ANY "expected at least one setting beside valid_from"
#define EXPECTED_WINDOWS                                                                           \
	"expected an array of at most 100 objects with lookback_minutes (1 to 525600, or null) "   \
	"and different types (1 to 255 characters, or null)"

/* A whole number from 1 to @most. */
static bool is_whole(const cJSON *item, double most)
{
	return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= most &&
	       item->valuedouble == floor(item->valuedouble);
}

static bool is_minutes(const cJSON *item)
{
	return is_whole(item, (double)(LOOKBACK_MAX_MS / MS_PER_MINUTE));
}

static bool is_text(const cJSON *item)
{
	if (!cJSON_IsString(item))
		return false;
	const size_t count = utf8_count(item->valuestring, strlen(item->valuestring));
	return count >= 1 && count <= SETTING_TYPE_MAX;
}

static bool is_left_out(const cJSON *item)
{
	return item == NULL || cJSON_IsNull(item);
}

static bool read_from(const cJSON *item, int64_t *out)
{
	*out = SETTING_ALWAYS;
	return is_left_out(item) ||
	       (cJSON_IsString(item) &&
		datetime_parse(item->valuestring, strlen(item->valuestring), out));
}

static bool read_campaign(const cJSON *item, struct uuid *out)
{
	static const struct uuid nil;
	*out = nil;
	return is_left_out(item) ||
	       (cJSON_IsString(item) &&
		uuid_parse(item->valuestring, strlen(item->valuestring), out) &&
		!uuid_is_equal(out, &nil));
}

bool window_wish_read(const cJSON *object, struct window_wish *out, struct refusal *refusal)
{
	const cJSON *at[WINDOW_KEYS] = {NULL};
	const char *const *names = window_names;
	*out = (struct window_wish){.type = "", .lookback_ms = -1};
	if (!cJSON_IsObject(object))
		return refusal_set(refusal, "invalid_json", "", "expected a JSON object");
	if (!fields_find(object, names, WINDOW_KEYS, EXPECTED_WINDOW_KEYS, at, refusal))
		return false;
	if (!read_campaign(at[WINDOW_CAMPAIGN], &out->campaign_id))
		return refusal_set(refusal, "invalid_field", names[WINDOW_CAMPAIGN],
				   EXPECTED_CAMPAIGN);
	if (!is_left_out(at[WINDOW_TYPE]) && !is_text(at[WINDOW_TYPE]))
		return refusal_set(refusal, "invalid_field", names[WINDOW_TYPE], EXPECTED_TYPE);
	if (!is_left_out(at[WINDOW_TYPE]))
		out->type = at[WINDOW_TYPE]->valuestring;
	const cJSON *lookback = at[WINDOW_LOOKBACK];
	if (lookback == NULL)
		return refusal_set(refusal, "missing_field", names[WINDOW_LOOKBACK],
				   "missing; " EXPECTED_LOOKBACK);
	if (!cJSON_IsNull(lookback) && !is_minutes(lookback))
		return refusal_set(refusal, "invalid_field", names[WINDOW_LOOKBACK],
				   EXPECTED_LOOKBACK);
	if (cJSON_IsNull(lookback) && is_left_out(at[WINDOW_CAMPAIGN]) && out->type[0] == '\0')
		return refusal_set(refusal, "invalid_field", names[WINDOW_LOOKBACK],
				   EXPECTED_ENDLESS);
	if (!cJSON_IsNull(lookback))
		out->lookback_ms = (int64_t)lookback->valuedouble * MS_PER_MINUTE;
	return read_from(at[WINDOW_FROM], &out->from_ms) ||
	       refusal_set(refusal, "invalid_field", names[WINDOW_FROM], EXPECTED_FROM);
}

static bool read_percent(const cJSON *item, int32_t *out)
{
	if (item == NULL)
		return true;
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 100)
		return false;
	const double ppm = item->valuedouble * PPM_PER_PERCENT;
	*out = (int32_t)lround(ppm);
	return fabs(ppm - *out) < PERCENT_ERROR;
}

static bool are_sources(const cJSON *array)
{
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > SETTING_SOURCES_MAX)
		return false;
	for (const cJSON *source = array->child; source != NULL; source = source->next) {
		if (!is_text(source))
			return false;
		for (const cJSON *other = array->child; other != source; other = other->next) {
			if (strcmp(source->valuestring, other->valuestring) == 0)
				return false;
		}
	}
	return true;
}

/* What models_wish_read found, but for the date. NULL: all is well; else what was expected, of
 * @key. */
static const char *read_models(const cJSON *const *at, struct models_wish *out,
			       enum models_key *key)
{
	*key = MODELS_FIRST;
	if (!read_percent(at[MODELS_FIRST], &out->first_ppm))
		return EXPECTED_PERCENT;
	*key = MODELS_LAST;
	if (!read_percent(at[MODELS_LAST], &out->last_ppm))
		return EXPECTED_PERCENT;
	if (out->first_ppm + out->last_ppm > 100 * PPM_PER_PERCENT)
		return EXPECTED_SHARES;
	*key = MODELS_HALF_LIFE;
	if (at[*key] != NULL && !is_minutes(at[*key]))
		return EXPECTED_MINUTES;
	if (at[*key] != NULL)
		out->half_life_ms = (int64_t)at[*key]->valuedouble * MS_PER_MINUTE;
	*key = MODELS_PATH_MAX;
	if (at[*key] != NULL && !is_whole(at[*key], 1000))
		return EXPECTED_PATH_MAX;
	if (at[*key] != NULL)
		out->path_max = (uint32_t)at[*key]->valuedouble;
	*key = MODELS_NARROW;
	if (at[*key] != NULL && !cJSON_IsBool(at[*key]))
		return "expected true or false";
	if (at[*key] != NULL)
		out->narrow = cJSON_IsTrue(at[*key]);
	*key = MODELS_DIRECT;
	if (at[*key] != NULL && !are_sources(at[*key]))
		return EXPECTED_SOURCES;
	out->direct = at[*key];
	return NULL;
}

bool models_wish_read(const cJSON *object, struct models_wish *out, struct refusal *refusal)
{
	const cJSON *at[MODELS_KEYS] = {NULL};
	enum models_key key;
	bool any = false;
	*out = (struct models_wish){.first_ppm = -1, .last_ppm = -1, .narrow = -1};
	if (!cJSON_IsObject(object))
		return refusal_set(refusal, "invalid_json", "", "expected a JSON object");
	if (!fields_find(object, models_names, MODELS_KEYS, EXPECTED_MODELS_KEYS, at, refusal))
		return false;
	const char *expected = read_models(at, out, &key);
	if (expected != NULL)
		return refusal_set(refusal, "invalid_field", models_names[key], expected);
	for (int k = 0; k < MODELS_FROM; k++)
		any = any || at[k] != NULL;
	if (!any)
		return refusal_set(refusal, "missing_field", "", EXPECTED_ANY);
	return read_from(at[MODELS_FROM], &out->from_ms) ||
	       refusal_set(refusal, "invalid_field", models_names[MODELS_FROM], EXPECTED_FROM);
}

/* --- the windows of a campaign --- */

static bool is_window(const cJSON *item)
{
	const cJSON *at[WINDOW_KEYS] = {NULL};
	struct refusal ignored;
	if (!cJSON_IsObject(item) ||
	    !fields_find(item, window_names + WINDOW_TYPE, 2, "", at + WINDOW_TYPE, &ignored))
		return false;
	const cJSON *lookback = at[WINDOW_LOOKBACK];
	return lookback != NULL && (cJSON_IsNull(lookback) || is_minutes(lookback)) &&
	       (is_left_out(at[WINDOW_TYPE]) || is_text(at[WINDOW_TYPE]));
}

/* The type of a good window; "" for every type. */
static const char *type_of(const cJSON *window)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(window, window_names[WINDOW_TYPE]);
	return is_left_out(type) ? "" : type->valuestring;
}

static bool are_windows(const cJSON *array)
{
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > CAMPAIGN_WINDOWS_MAX)
		return false;
	for (const cJSON *w = array->child; w != NULL; w = w->next) {
		if (!is_window(w))
			return false;
		for (const cJSON *other = array->child; other != w; other = other->next) {
			if (strcmp(type_of(w), type_of(other)) == 0)
				return false;
		}
	}
	return true;
}

bool campaign_windows_check(const cJSON *item, struct refusal *refusal)
{
	return are_windows(item) ||
	       refusal_set(refusal, "invalid_field", "windows", EXPECTED_WINDOWS);
}

void campaign_windows_write(const cJSON *windows, struct buf *out)
{
	buf_addc(out, '[');
	for (const cJSON *w = windows->child; w != NULL; w = w->next) {
		const char *type = type_of(w);
		const cJSON *lookback =
			cJSON_GetObjectItemCaseSensitive(w, window_names[WINDOW_LOOKBACK]);
		buf_adds(out, w == windows->child ? "[" : ",[");
		buf_add_json(out, type, strlen(type));
		if (cJSON_IsNull(lookback))
			buf_adds(out, ",null]");
		else
			buf_addf(out, ",%" PRId64 "]", (int64_t)lookback->valuedouble);
	}
	buf_addc(out, ']');
}

void models_wish_write_direct(const struct models_wish *wish, struct buf *out)
{
	buf_addc(out, '[');
	for (const cJSON *source = wish->direct->child; source != NULL; source = source->next) {
		if (source != wish->direct->child)
			buf_addc(out, ',');
		buf_add_json(out, source->valuestring, strlen(source->valuestring));
	}
	buf_addc(out, ']');
}

/* --- writing --- */

enum setting_state setting_state(int64_t from_ms, int64_t next_from_ms, int64_t now_ms)
{
	if (from_ms > now_ms)
		return SETTING_COMING;
	return next_from_ms <= now_ms ? SETTING_PAST : SETTING_IN_FORCE;
}

enum setting_state window_state(const struct window_rule *w, const struct window_rule *next,
				int64_t now_ms)
{
	const bool is_same = next != NULL && uuid_is_equal(&w->campaign_id, &next->campaign_id) &&
			     text_is_equal(w->type, next->type);
	return setting_state(w->from_ms, is_same ? next->from_ms : INT64_MAX, now_ms);
}

/* A number with what decimals it needs, of at most @decimals. */
static void add_decimal(struct buf *out, const char *key, int64_t n, int64_t unit, int decimals)
{
	buf_addf(out, "\"%s\":%" PRId64, key, n / unit);
	int64_t rest = n % unit;
	for (int i = 0; i < decimals && rest > 0; i++) {
		rest *= 10;
		buf_addf(out, "%s%d", i == 0 ? "." : "", (int)(rest / unit));
		rest %= unit;
	}
}

static void add_state(struct buf *out, int64_t from_ms, enum setting_state state)
{
	char text[RFC3339_TEXT_LEN];
	if (from_ms == SETTING_ALWAYS) {
		buf_adds(out, ",\"valid_from\":null");
	} else {
		datetime_write(from_ms, text);
		buf_addf(out, ",\"valid_from\":\"%.*s\"", RFC3339_TEXT_LEN, text);
	}
	buf_addf(out, ",\"state\":\"%s\"}", states[state]);
}

void window_write(const struct window_rule *w, bool with_campaign, enum setting_state state,
		  struct buf *out)
{
	static const struct uuid nil;
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&w->campaign_id, id);
	buf_addc(out, '{');
	if (with_campaign && uuid_is_equal(&w->campaign_id, &nil))
		buf_adds(out, "\"campaign_id\":null,");
	else if (with_campaign)
		buf_addf(out, "\"campaign_id\":\"%s\",", id);
	buf_adds(out, "\"type\":");
	if (w->type.len == 0)
		buf_adds(out, "null");
	else
		buf_add_json(out, w->type.data, w->type.len);
	buf_addc(out, ',');
	if (w->lookback_ms < 0)
		buf_adds(out, "\"lookback_minutes\":null");
	else
		add_decimal(out, "lookback_minutes", w->lookback_ms, MS_PER_MINUTE, 6);
	add_state(out, w->from_ms, state);
}

void models_write(const struct model_rules *m, enum setting_state state, struct buf *out)
{
	buf_addc(out, '{');
	add_decimal(out, "first_percent", m->first_ppm, PPM_PER_PERCENT, 4);
	buf_addc(out, ',');
	add_decimal(out, "last_percent", m->last_ppm, PPM_PER_PERCENT, 4);
	buf_addc(out, ',');
	add_decimal(out, "half_life_minutes", m->half_life_ms, MS_PER_MINUTE, 6);
	buf_addf(out, ",\"path_max\":%" PRIu32 ",\"narrow\":%s,\"direct_sources\":[", m->path_max,
		 m->is_narrowed ? "true" : "false");
	for (uint32_t i = 0; i < m->n_direct; i++) {
		if (i > 0)
			buf_addc(out, ',');
		buf_add_json(out, m->direct[i].data, m->direct[i].len);
	}
	buf_addc(out, ']');
	add_state(out, m->from_ms, state);
}
