/*
 * Reading and checking what a client asks to be set of a campaign.
 *
 * Pure functions; any thread.
 */
#include <string.h>
#include <strings.h>

#include "domain/campaign.h"

enum key { KEY_ID, KEY_NAME, KEY_STATUS, KEY_URL, KEY_TAGS, KEY_WINDOWS, KEYS };

static const char *const names[KEYS] = {"campaign_id", "name", "status",
					"target_url",  "tags", "windows"};

#define EXPECTED_ID "expected a UUID other than the nil UUID: 36 characters, as 8-4-4-4-12"
#define EXPECTED_NAME "expected a string of 1 to 255 characters, no control characters"
#define EXPECTED_STATUS "expected active, paused or archived"
#define EXPECTED_URL                                                                               \
	"expected an http or https URL of at most 2048 characters, percent-encoded, or null"
#define EXPECTED_TAGS                                                                              \
	"expected an array of at most 32 different strings of 1 to 64 characters, no control "     \
	"characters"
#define EXPECTED_KEYS "unknown; expected name, status, target_url, tags or windows"

struct fields {
	const cJSON *at[KEYS]; /* NULL: left out */
	bool creates;
	struct refusal *refusal;
};

static bool invalid(const struct fields *f, enum key key, const char *message)
{
	return refusal_set(f->refusal, "invalid_field", names[key], message);
}

/* A URL that another server may be sent to as it is: ASCII without white space, with a host. */
static bool is_url(const char *text)
{
	const size_t len = strlen(text);
	const size_t scheme = strncasecmp(text, "https://", 8) == 0  ? 8
			      : strncasecmp(text, "http://", 7) == 0 ? 7
								     : 0;
	if (scheme == 0 || len > CAMPAIGN_URL_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];
		if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\", c) != NULL)
			return false;
	}
	const char *host = text + scheme;
	const size_t authority = strcspn(host, "/?#");
	const char *user = memchr(host, '@', authority);
	const size_t before = user == NULL ? 0 : (size_t)(user - host) + 1;
	return authority > before && host[before] != ':';
}

static bool read_id(const struct fields *f, struct campaign_wish *out)
{
	static const struct uuid nil;
	const cJSON *item = f->at[KEY_ID];
	const bool left_out = item == NULL || cJSON_IsNull(item) ||
			      (cJSON_IsString(item) && item->valuestring[0] == '\0');
	if (left_out)
		return true;
	return (cJSON_IsString(item) &&
		uuid_parse(item->valuestring, strlen(item->valuestring), &out->id) &&
		!uuid_is_equal(&out->id, &nil)) ||
	       invalid(f, KEY_ID, EXPECTED_ID);
}

static bool read_name(const struct fields *f, struct campaign_wish *out)
{
	const cJSON *item = f->at[KEY_NAME];
	if (item == NULL)
		return !f->creates || refusal_set(f->refusal, "missing_field", names[KEY_NAME],
						  "missing; " EXPECTED_NAME);
	if (!cJSON_IsString(item) || !text_is_plain(item->valuestring, CAMPAIGN_NAME_MAX))
		return invalid(f, KEY_NAME, EXPECTED_NAME);
	out->name = item->valuestring;
	return true;
}

static bool read_status(const struct fields *f, struct campaign_wish *out)
{
	const cJSON *item = f->at[KEY_STATUS];
	enum campaign_status status;
	if (item == NULL)
		return true;
	if (!cJSON_IsString(item) || !campaign_status_parse(item->valuestring, &status))
		return invalid(f, KEY_STATUS, EXPECTED_STATUS);
	out->status = campaign_status_word(status);
	return true;
}

static bool read_url(const struct fields *f, struct campaign_wish *out)
{
	const cJSON *item = f->at[KEY_URL];
	if (item == NULL)
		return true;
	if (cJSON_IsNull(item)) {
		out->target_url = "";
		return true;
	}
	if (!cJSON_IsString(item) || !is_url(item->valuestring))
		return invalid(f, KEY_URL, EXPECTED_URL);
	out->target_url = item->valuestring;
	return true;
}

static bool are_tags(const cJSON *array)
{
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > CAMPAIGN_TAGS_MAX)
		return false;
	for (const cJSON *tag = array->child; tag != NULL; tag = tag->next) {
		if (!cJSON_IsString(tag) || !text_is_plain(tag->valuestring, CAMPAIGN_TAG_MAX))
			return false;
		for (const cJSON *other = array->child; other != tag; other = other->next) {
			if (strcmp(tag->valuestring, other->valuestring) == 0)
				return false;
		}
	}
	return true;
}

static bool read_tags(const struct fields *f, struct campaign_wish *out)
{
	const cJSON *item = f->at[KEY_TAGS];
	out->no_tags = item != NULL && cJSON_IsNull(item);
	if (item == NULL || out->no_tags)
		return true;
	if (!are_tags(item))
		return invalid(f, KEY_TAGS, EXPECTED_TAGS);
	out->tags = item;
	return true;
}

static bool read_windows(const struct fields *f, struct campaign_wish *out)
{
	out->windows = f->at[KEY_WINDOWS];
	return out->windows == NULL || campaign_windows_check(out->windows, f->refusal);
}

bool campaign_wish_read(const cJSON *object, bool creates, struct campaign_wish *out,
			struct refusal *refusal)
{
	struct fields f = {.creates = creates, .refusal = refusal};
	const int first = creates ? 0 : KEY_NAME;
	*out = (struct campaign_wish){0};
	if (!cJSON_IsObject(object))
		return refusal_set(refusal, "invalid_json", "", "expected a JSON object");
	return fields_find(object, names + first, KEYS - first, EXPECTED_KEYS, f.at + first,
			   refusal) &&
	       read_id(&f, out) && read_name(&f, out) && read_status(&f, out) &&
	       read_url(&f, out) && read_tags(&f, out) && read_windows(&f, out);
}

void campaign_wish_write_tags(const struct campaign_wish *wish, struct buf *out)
{
	buf_addc(out, '[');
	for (const cJSON *tag = wish->tags == NULL ? NULL : wish->tags->child; tag != NULL;
	     tag = tag->next) {
		if (tag != wish->tags->child)
			buf_addc(out, ',');
		buf_add_json(out, tag->valuestring, strlen(tag->valuestring));
	}
	buf_addc(out, ']');
}
