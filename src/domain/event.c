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
	KEY_CONVERSION,
	KEY_CANCEL,
	KEY_REFUND,
	KEYS
};

static const struct uuid nil;

#define EVENT_WORD(kind, word, id_key, time_key) [kind] = word,
static const char *const words[EVENT_KINDS] = {EVENT_LIST(EVENT_WORD)};
#undef EVENT_WORD

#define EVENT_KEYS(kind, word, id_key, time_key)                                                   \
	[kind] = {id_key,  "campaign_id", "user_id",	   time_key, "source", "type",             \
		  "value", "click_id",	  "conversion_id", "cancel", "refund"},
static const char *const keys[EVENT_KINDS][KEYS] = {EVENT_LIST(EVENT_KEYS)};
#undef EVENT_KEYS

/* Which of the keys a kind has. */
#define HAS(key) (1u << (key))
#define EVERY_KEY (HAS(KEY_ID) | HAS(KEY_USER) | HAS(KEY_TIME))
#define TOUCH_KEYS (EVERY_KEY | HAS(KEY_CAMPAIGN) | HAS(KEY_SOURCE))
static const unsigned known[EVENT_KINDS] = {
	[EVENT_CLICK] = TOUCH_KEYS,
	[EVENT_CONVERSION] = TOUCH_KEYS | HAS(KEY_TYPE) | HAS(KEY_VALUE) | HAS(KEY_CLICK),
	[EVENT_ADJUSTMENT] = EVERY_KEY | HAS(KEY_CONVERSION) | HAS(KEY_CANCEL) | HAS(KEY_REFUND) |
			     HAS(KEY_VALUE),
};

/* By enum change. */
static const enum key change_keys[CHANGES] = {KEY_CANCEL, KEY_REFUND, KEY_VALUE};
static const char *const change_words[CHANGES] = {"cancel", "refund", "value"};

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
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		int k = 0;
		while (k < KEYS && ((known[f->kind] & HAS(k)) == 0 ||
				    strcmp(item->string, keys[f->kind][k]) != 0))
			k++;
		if (k == KEYS)
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

/* An amount of money; 0 where it is left out. */
static bool read_amount(const struct fields *f, enum key key, int64_t *out_minor)
{
	const cJSON *item = f->at[key];
	enum money_result result = MONEY_NOT_A_DECIMAL;
	if (item == NULL) {
		*out_minor = 0;
		return true;
	}
	if (cJSON_IsNumber(item))
		result = money_from_double(item->valuedouble, out_minor);
	else if (cJSON_IsString(item))
		result = money_parse(item->valuestring, strlen(item->valuestring), out_minor);
	return result == MONEY_OK || fail_key(f, key, EXPECTED_VALUE);
}

/* Which of cancel, refund and value an adjustment has: exactly one, and `cancel` is true. */
static bool read_change(const struct fields *f, struct event *out)
{
	int given = 0;
	for (int c = 0; c < CHANGES; c++) {
		if (f->at[change_keys[c]] == NULL)
			continue;
		out->change = (enum change)c;
		given++;
	}
	if (given == 0)
		return fail_key(f, KEY_VALUE, "missing; expected one of cancel, refund and value");
	if (given > 1)
		return fail_key(f, change_keys[out->change],
				"expected only one of cancel, refund and value");
	if (out->change == CHANGE_CANCEL)
		return cJSON_IsTrue(f->at[KEY_CANCEL]) || fail_key(f, KEY_CANCEL, "expected true");
	return read_amount(f, change_keys[out->change], &out->value_minor);
}

static bool read_adjustment(const struct fields *f, struct event *out)
{
	return read_name(f, KEY_CONVERSION, &out->conversion_id) &&
	       read_uuid(f, KEY_USER, &out->user_id) && read_time(f, &out->time_ms) &&
	       read_change(f, out);
}

static bool read_conversion(const struct fields *f, struct event *out)
{
	return read_text(f, KEY_TYPE, &out->type, &out->type_len) &&
	       read_amount(f, KEY_VALUE, &out->value_minor) &&
	       read_optional_name(f, KEY_CLICK, &out->click_id);
}

const char *event_word(enum event_kind kind)
{
	ASSERT(kind < EVENT_KINDS);
	return words[kind];
}

const char *event_change_word(enum change change)
{
	ASSERT(change < CHANGES);
	return change_words[change];
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
	if (!find_fields(object, &f) || !read_id(&f, now_ms, &out->id))
		return false;
	if (kind == EVENT_ADJUSTMENT)
		return read_adjustment(&f, out);
	if (!read_campaign(&f, &out->campaign_id) || !read_uuid(&f, KEY_USER, &out->user_id) ||
	    !read_time(&f, &out->time_ms) || !read_source(&f, out))
		return false;
	return kind == EVENT_CLICK || read_conversion(&f, out);
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

static void add_value(struct buf *out, const char *key, int64_t minor)
{
	char text[MONEY_TEXT_MAX];
	const size_t len = money_format(minor, text);
	add_member(out, ',', key);
	buf_add(out, text, len);
}

static void add_text(struct buf *out, const char *key, const char *text, size_t len)
{
	add_member(out, ',', key);
	buf_add_json(out, text, len);
}

static void write_click(const struct event *event, const char *const *key, struct buf *out)
{
	add_uuid(out, ',', key[KEY_CAMPAIGN], &event->campaign_id);
	add_uuid(out, ',', key[KEY_USER], &event->user_id);
	add_time(out, key[KEY_TIME], event->time_ms);
}

static void write_conversion(const struct event *event, const char *const *key, struct buf *out)
{
	add_uuid(out, ',', key[KEY_USER], &event->user_id);
	if (!uuid_is_equal(&event->campaign_id, &nil))
		add_uuid(out, ',', key[KEY_CAMPAIGN], &event->campaign_id);
	if (!uuid_is_equal(&event->click_id, &nil))
		add_uuid(out, ',', key[KEY_CLICK], &event->click_id);
	add_time(out, key[KEY_TIME], event->time_ms);
	add_value(out, key[KEY_VALUE], event->value_minor);
	add_text(out, key[KEY_TYPE], event->type, event->type_len);
}

static void write_adjustment(const struct event *event, const char *const *key, struct buf *out)
{
	add_uuid(out, ',', key[KEY_CONVERSION], &event->conversion_id);
	add_uuid(out, ',', key[KEY_USER], &event->user_id);
	add_time(out, key[KEY_TIME], event->time_ms);
	if (event->change != CHANGE_CANCEL) {
		add_value(out, key[change_keys[event->change]], event->value_minor);
		return;
	}
	add_member(out, ',', key[KEY_CANCEL]);
	buf_adds(out, "true");
}

void event_write(const struct event *event, struct buf *out)
{
	static void (*const write[EVENT_KINDS])(const struct event *, const char *const *,
						struct buf *) = {
		[EVENT_CLICK] = write_click,
		[EVENT_CONVERSION] = write_conversion,
		[EVENT_ADJUSTMENT] = write_adjustment,
	};
	const char *const *key = keys[event->kind];
	add_uuid(out, '{', key[KEY_ID], &event->id);
	write[event->kind](event, key, out);
	if (event->source_len > 0)
		add_text(out, key[KEY_SOURCE], event->source, event->source_len);
	buf_addc(out, '}');
}
