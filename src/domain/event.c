/*
 * Reading, checking and writing events.
 *
 * Pure functions; any thread. event_read walks the object once and notes where each known key
 * stands, so that a key that stands twice is seen; then every field is read from its place in a
 * fixed order, so that the first error is the same whatever the order of the keys.
 */
#include "domain/event.h"

#include <stdio.h>
#include <string.h>

#include "util/datetime.h"
#include "util/money.h"

enum key {
	KEY_ID,
	KEY_CAMPAIGN,
	KEY_USER,
	KEY_TIME,
	KEY_SOURCE,
	KEY_TYPE,
	KEY_VALUE,
	KEY_CLICK,
	KEYS
};

#define CLICK_KEYS KEY_TYPE /* a click has none of the keys from here on */

static const struct uuid nil;

#define EVENT_WORD(kind, word, id_key, time_key) [kind] = word,
static const char *const words[EVENT_KINDS] = {EVENT_LIST(EVENT_WORD)};
#undef EVENT_WORD

#define EVENT_KEYS(kind, word, id_key, time_key)                                                   \
	[kind] = {id_key,   "campaign_id", "user_id", time_key,                                    \
		  "source", "type",	   "value",   "click_id"},
static const char *const keys[EVENT_KINDS][KEYS] = {EVENT_LIST(EVENT_KEYS)};
#undef EVENT_KEYS

#define EXPECTED_UUID "expected a UUID: 36 characters, hexadecimal digits as 8-4-4-4-12"
#define EXPECTED_TIME "expected an RFC 3339 time with an offset, such as 2026-01-02T03:04:05.678Z"
#define EXPECTED_TEXT "expected a string of 1 to 255 characters"
#define EXPECTED_VALUE "expected a number or a decimal string from 0 to 10000000000000"

/* Where the known keys of one object stand, and whom they are for. */
struct fields {
	enum event_kind kind;
	const cJSON *at[KEYS]; /* NULL: left out, or null */
	struct event_error *error;
};

static bool fail(struct event_error *error, const char *field, const char *message)
{
	error->field = field;
	(void)snprintf(error->message, sizeof(error->message), "%s", message);
	return false;
}

static bool fail_key(const struct fields *f, enum key key, const char *message)
{
	return fail(f->error, keys[f->kind][key], message);
}

static bool find_fields(const cJSON *object, struct fields *f)
{
	bool seen[KEYS] = {false};
	const int n = f->kind == EVENT_CLICK ? CLICK_KEYS : KEYS;
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		int k = 0;
		while (k < n && strcmp(item->string, keys[f->kind][k]) != 0)
			k++;
		if (k == n)
			continue;
		if (seen[k])
			return fail_key(f, (enum key)k, "stands twice; expected it once");
		seen[k] = true;
		if (!cJSON_IsNull(item))
			f->at[k] = item;
	}
	return true;
}

/* The string of a key that must be there. */
static bool read_string(const struct fields *f, enum key key, const char *expected,
			const char **text, size_t *len)
{
	const cJSON *item = f->at[key];
	char message[160];
	if (item != NULL && cJSON_IsString(item)) {
		*text = item->valuestring;
		*len = strlen(item->valuestring);
		return true;
	}
	if (item == NULL)
		(void)snprintf(message, sizeof(message), "missing; %s", expected);
	else
		(void)snprintf(message, sizeof(message), "not a string; %s", expected);
	return fail_key(f, key, message);
}

static bool read_uuid(const struct fields *f, enum key key, struct uuid *out)
{
	const char *text;
	size_t len;
	if (!read_string(f, key, EXPECTED_UUID, &text, &len))
		return false;
	return uuid_parse(text, len, out) || fail_key(f, key, EXPECTED_UUID);
}

static bool is_left_out(const struct fields *f, enum key key)
{
	const cJSON *item = f->at[key];
	return item == NULL || (cJSON_IsString(item) && item->valuestring[0] == '\0');
}

/* The nil UUID names nothing: it stands for an id that is left out. */
static bool read_name(const struct fields *f, enum key key, struct uuid *out)
{
	return read_uuid(f, key, out) &&
	       (!uuid_is_equal(out, &nil) ||
		fail_key(f, key, "expected a UUID other than the nil UUID"));
}

static bool read_optional_name(const struct fields *f, enum key key, struct uuid *out)
{
	return is_left_out(f, key) || read_name(f, key, out);
}

static bool read_campaign(const struct fields *f, struct uuid *out)
{
	return f->kind == EVENT_CONVERSION ? read_optional_name(f, KEY_CAMPAIGN, out)
					   : read_name(f, KEY_CAMPAIGN, out);
}

static bool read_id(const struct fields *f, int64_t now_ms, struct uuid *out)
{
	if (!is_left_out(f, KEY_ID) || now_ms < 0)
		return read_uuid(f, KEY_ID, out);
	uuid_v7(now_ms, out);
	return true;
}

static bool read_time(const struct fields *f, int64_t *out_ms)
{
	const char *text;
	size_t len;
	if (!read_string(f, KEY_TIME, EXPECTED_TIME, &text, &len))
		return false;
	return datetime_parse(text, len, out_ms) || fail_key(f, KEY_TIME, EXPECTED_TIME);
}

static bool read_text(const struct fields *f, enum key key, const char **out, size_t *out_len)
{
	if (!read_string(f, key, EXPECTED_TEXT, out, out_len))
		return false;
	const size_t count = utf8_count(*out, *out_len);
	return (count >= 1 && count <= EVENT_TEXT_MAX) || fail_key(f, key, EXPECTED_TEXT);
}

static bool read_source(const struct fields *f, struct event *out)
{
	if (f->kind == EVENT_CONVERSION && f->at[KEY_SOURCE] == NULL)
		return true;
	return read_text(f, KEY_SOURCE, &out->source, &out->source_len);
}

static bool read_value(const struct fields *f, int64_t *out_minor)
{
	const cJSON *item = f->at[KEY_VALUE];
	enum money_result result = MONEY_NOT_A_DECIMAL;
	if (item == NULL) {
		*out_minor = 0;
		return true;
	}
	if (cJSON_IsNumber(item))
		result = money_from_double(item->valuedouble, out_minor);
	else if (cJSON_IsString(item))
		result = money_parse(item->valuestring, strlen(item->valuestring), out_minor);
	return result == MONEY_OK || fail_key(f, KEY_VALUE, EXPECTED_VALUE);
}

const char *event_word(enum event_kind kind)
{
	ASSERT(kind < EVENT_KINDS);
	return words[kind];
}

const char *event_id_key(enum event_kind kind)
{
	ASSERT(kind < EVENT_KINDS);
	return keys[kind][KEY_ID];
}

const char *event_time_key(enum event_kind kind)
{
	ASSERT(kind < EVENT_KINDS);
	return keys[kind][KEY_TIME];
}

bool event_kind_parse(const char *word, enum event_kind *out)
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (strcmp(word, words[k]) == 0) {
			*out = (enum event_kind)k;
			return true;
		}
	}
	return false;
}

bool event_read(enum event_kind kind, const cJSON *object, int64_t now_ms, struct event *out,
		struct event_error *error)
{
	struct fields f = {.kind = kind, .error = error};
	*out = (struct event){.kind = kind, .source = "", .type = ""};
	if (!cJSON_IsObject(object))
		return fail(error, "", "expected a JSON object");
	if (!find_fields(object, &f) || !read_id(&f, now_ms, &out->id) ||
	    !read_campaign(&f, &out->campaign_id) || !read_uuid(&f, KEY_USER, &out->user_id) ||
	    !read_time(&f, &out->time_ms) || !read_source(&f, out))
		return false;
	if (kind == EVENT_CLICK)
		return true;
	return read_text(&f, KEY_TYPE, &out->type, &out->type_len) &&
	       read_value(&f, &out->value_minor) &&
	       read_optional_name(&f, KEY_CLICK, &out->click_id);
}

bool event_check_time(const struct event *event, int64_t now_ms, int64_t future_limit_ms,
		      int64_t retention_days, struct event_error *error)
{
	error->field = event_time_key(event->kind);
	if (event->time_ms - now_ms > future_limit_ms) {
		(void)snprintf(
			error->message, sizeof(error->message),
			"lies in the future; expected a time at most %lld ms ahead of the server's",
			(long long)future_limit_ms);
		return false;
	}
	if (retention_days > 0 && event->time_ms < now_ms - retention_days * MS_PER_DAY) {
		(void)snprintf(error->message, sizeof(error->message),
			       "too old; expected a time within the last %lld days",
			       (long long)retention_days);
		return false;
	}
	return true;
}

static void add_member(struct buf *out, char before, const char *key)
{
	buf_addc(out, before);
	buf_addc(out, '"');
	buf_adds(out, key);
	buf_add(out, "\":", 2);
}

static void add_uuid(struct buf *out, char before, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT_LEN];
	add_member(out, before, key);
	uuid_write(u, text);
	buf_addc(out, '"');
	buf_add(out, text, sizeof(text));
	buf_addc(out, '"');
}

static void add_time(struct buf *out, const char *key, int64_t ms)
{
	char text[RFC3339_TEXT_LEN];
	add_member(out, ',', key);
	datetime_write(ms, text);
	buf_addc(out, '"');
	buf_add(out, text, sizeof(text));
	buf_addc(out, '"');
}

static void add_value(struct buf *out, int64_t minor)
{
	char text[MONEY_TEXT_MAX];
	const size_t len = money_format(minor, text);
	add_member(out, ',', "value");
	buf_add(out, text, len);
}

static void add_text(struct buf *out, const char *key, const char *text, size_t len)
{
	add_member(out, ',', key);
	buf_add_json(out, text, len);
}

void event_write(const struct event *event, struct buf *out)
{
	const char *const *key = keys[event->kind];
	add_uuid(out, '{', key[KEY_ID], &event->id);
	if (event->kind == EVENT_CLICK) {
		add_uuid(out, ',', key[KEY_CAMPAIGN], &event->campaign_id);
		add_uuid(out, ',', key[KEY_USER], &event->user_id);
		add_time(out, key[KEY_TIME], event->time_ms);
	} else {
		add_uuid(out, ',', key[KEY_USER], &event->user_id);
		if (!uuid_is_equal(&event->campaign_id, &nil))
			add_uuid(out, ',', key[KEY_CAMPAIGN], &event->campaign_id);
		if (!uuid_is_equal(&event->click_id, &nil))
			add_uuid(out, ',', key[KEY_CLICK], &event->click_id);
		add_time(out, key[KEY_TIME], event->time_ms);
		add_value(out, event->value_minor);
		add_text(out, key[KEY_TYPE], event->type, event->type_len);
	}
	if (event->source_len > 0)
		add_text(out, key[KEY_SOURCE], event->source, event->source_len);
	buf_addc(out, '}');
}
