/*
 * The short way to read a click.
 *
 * Pure functions; any thread.
 */
#include "domain/canonical.h"

#include <string.h>

#include "util/datetime.h"

struct cursor {
	const char *at, *end;
};

/* Pass over exactly these characters. */
#define PASS(c, literal) pass(c, literal, sizeof(literal) - 1)

static bool pass(struct cursor *c, const char *literal, size_t len)
{
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, literal, len) != 0)
		return false;
	c->at += len;
	return true;
}

static bool read_uuid(struct cursor *c, struct uuid *out)
{
	if (c->end - c->at < UUID_TEXT_LEN || !uuid_parse(c->at, UUID_TEXT_LEN, out))
		return false;
	c->at += UUID_TEXT_LEN;
	return true;
}

static bool read_time(struct cursor *c, int64_t *out_ms)
{
	if (c->end - c->at < RFC3339_TEXT_LEN || !datetime_parse(c->at, RFC3339_TEXT_LEN, out_ms))
		return false;
	c->at += RFC3339_TEXT_LEN;
	return true;
}

/* Up to the quote; only what stands for itself. */
static bool read_plain(struct cursor *c, const char **out, size_t *out_len)
{
	*out = c->at;
	while (c->at < c->end && *c->at != '"') {
		if (*c->at < ' ' || *c->at > '~' || *c->at == '\\')
			return false;
		c->at++;
	}
	*out_len = (size_t)(c->at - *out);
	return *out_len >= 1 && *out_len <= EVENT_TEXT_MAX;
}

bool canonical_read_click(const char *text, size_t len, struct event *out)
{
	static const struct uuid nil;
	struct cursor c = {text, text + len};
	*out = (struct event){.kind = EVENT_CLICK, .source = "", .type = ""};
	return PASS(&c, "{\"click_id\":\"") && read_uuid(&c, &out->id) &&
	       PASS(&c, "\",\"campaign_id\":\"") && read_uuid(&c, &out->campaign_id) &&
	       !uuid_is_equal(&out->campaign_id, &nil) && PASS(&c, "\",\"user_id\":\"") &&
	       read_uuid(&c, &out->user_id) && PASS(&c, "\",\"click_date\":\"") &&
	       read_time(&c, &out->time_ms) && PASS(&c, "\",\"source\":\"") &&
	       read_plain(&c, &out->source, &out->source_len) && PASS(&c, "\"}") && c.at == c.end;
}
