/*
 * Reading and checking what a client asks to be set of a campaign.
 *
 * Pure functions; any thread. As with events, the object is walked once and then read in a fixed
 * order, so that the first error is the same whatever the order of the keys.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "domain/campaign.h"

enum key { KEY_ID, KEY_NAME, KEY_STATUS, KEY_URL, KEY_TAGS, KEYS };

static const char *const names[KEYS] = {"campaign_id", "name", "status", "target_url", "tags"};

#define EXPECTED_ID "expected a UUID other than the nil UUID: 36 characters, as 8-4-4-4-12"
#define EXPECTED_NAME "expected a string of 1 to 255 characters, no control characters"
#define EXPECTED_STATUS "expected active, paused or archived"
#define EXPECTED_URL                                                                               \
	"expected an http or https URL of at most 2048 characters, percent-encoded, or null"
#define EXPECTED_TAGS                                                                              \
	"expected an array of at most 32 different strings of 1 to 64 characters, no control "     \
	"characters"
#define EXPECTED_KEYS "unknown; expected name, status, target_url or tags"

struct fields {
	const cJSON *at[KEYS]; /* NULL: left out */
	bool creates;
	struct campaign_error *error;
};

static bool fail(struct campaign_error *error, const char *code, const char *field,
		 const char *message)
{
	/* A name that a client sent may be long. */
	const size_t len = utf8_cut(field, sizeof(error->field) - 1);
	error->code = code;
	memcpy(error->field, field, len);
	error->field[len] = '\0';
	(void)snprintf(error->message, sizeof(error->message), "%s", message);
	return false;
}

static bool invalid(const struct fields *f, enum key key, const char *message)
{
	return fail(f->error, "invalid_field", names[key], message);
}

static bool find_fields(const cJSON *object, struct fields *f)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		int k = f->creates ? 0 : KEY_NAME;
		while (k < KEYS && strcmp(item->string, names[k]) != 0)
			k++;
		if (k == KEYS)
			return fail(f->error, "invalid_field", item->string, EXPECTED_KEYS);
		if (f->at[k] != NULL)
			return fail(f->error, "duplicate_field", names[k],
				    "stands twice; expected it once");
		f->at[k] = item;
	}
	return true;
}

/* So many characters, none of them a control character. */
static bool is_plain(const char *text, size_t most)
{
	const size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	const size_t count = utf8_count(text, len);
	return count >= 1 && count <= most;
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
		return !f->creates ||
		       fail(f->error, "missing_field", names[KEY_NAME], "missing; " EXPECTED_NAME);
	if (!cJSON_IsString(item) || !is_plain(item->valuestring, CAMPAIGN_NAME_MAX))
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
		if (!cJSON_IsString(tag) || !is_plain(tag->valuestring, CAMPAIGN_TAG_MAX))
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

bool campaign_wish_read(const cJSON *object, bool creates, struct campaign_wish *out,
			struct campaign_error *error)
{
	struct fields f = {.creates = creates, .error = error};
	*out = (struct campaign_wish){0};
	if (!cJSON_IsObject(object))
		return fail(error, "invalid_json", "", "expected a JSON object");
	return find_fields(object, &f) && read_id(&f, out) && read_name(&f, out) &&
	       read_status(&f, out) && read_url(&f, out) && read_tags(&f, out);
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
