/*
 * The short way to read a click.
 *
 * Pure functions; any thread. Keys are tried from the one behind the last, since most writers keep
 * to an order, and this program to that of the table.
 */
#include "domain/plain.h"

#include <string.h>

#include "util/datetime.h"

enum key { KEY_ID, KEY_CAMPAIGN, KEY_USER, KEY_TIME, KEY_SOURCE, KEYS };

#define QUOTED(key, word) [key] = {"\"" word "\"", sizeof(word) + 1}
static const struct {
	const char *text;
	size_t len;
} quoted[KEYS] = {
	QUOTED(KEY_ID, "click_id"),   QUOTED(KEY_CAMPAIGN, "campaign_id"),
	QUOTED(KEY_USER, "user_id"),  QUOTED(KEY_TIME, "click_date"),
	QUOTED(KEY_SOURCE, "source"),
};

#define HAS(key) (1u << (key))
#define MUST_HAVE (HAS(KEY_CAMPAIGN) | HAS(KEY_USER) | HAS(KEY_TIME) | HAS(KEY_SOURCE))

static const struct uuid nil;

struct cursor {
	const char *at, *end;
};

static bool pass(struct cursor *c, const char *literal, size_t len)
{
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, literal, len) != 0)
		return false;
	c->at += len;
	return true;
}

static void skip_space(struct cursor *c)
{
	while (c->at < c->end &&
	       (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
		c->at++;
}

/* With the space before it. */
static bool pass_char(struct cursor *c, char wanted)
{
	skip_space(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

/* The next key, tried from *next on, which is then the one behind it. */
static bool read_key(struct cursor *c, unsigned *next, enum key *out)
{
	skip_space(c);
	for (unsigned i = 0; i < KEYS; i++) {
		const unsigned k = (*next + i) % KEYS;
		if (pass(c, quoted[k].text, quoted[k].len)) {
			*out = (enum key)k;
			*next = k + 1;
			return true;
		}
	}
	return false;
}

/* A string's characters, between its quotes; only what stands for itself. */
static bool read_string(struct cursor *c, const char **out, size_t *out_len)
{
	if (!pass_char(c, '"'))
		return false;
	*out = c->at;
	while (c->at < c->end && *c->at != '"') {
		if (*c->at < ' ' || *c->at > '~' || *c->at == '\\')
			return false;
		c->at++;
	}
	*out_len = (size_t)(c->at - *out);
	return pass_char(c, '"');
}

static bool take(enum key key, const char *text, size_t len, struct event *out)
{
	switch (key) {
	case KEY_ID:
		return uuid_parse(text, len, &out->id);
	case KEY_CAMPAIGN:
		return uuid_parse(text, len, &out->campaign_id) &&
		       !uuid_is_equal(&out->campaign_id, &nil);
	case KEY_USER:
		return uuid_parse(text, len, &out->user_id);
	case KEY_TIME:
		return datetime_parse(text, len, &out->time_ms);
	case KEY_SOURCE:
		out->source = text;
		out->source_len = len;
		return len >= 1 && len <= EVENT_TEXT_MAX;
	case KEYS:
		break;
	}
	return false;
}

bool plain_read_click(const char *text, size_t len, int64_t now_ms, struct event *out)
{
	struct cursor c = {text, text + len};
	unsigned next = 0, seen = 0;
	*out = (struct event){.kind = EVENT_CLICK, .source = "", .type = ""};
	if (!pass_char(&c, '{'))
		return false;
	do {
		enum key key;
		const char *value;
		size_t value_len;
		if (!read_key(&c, &next, &key) || (seen & HAS(key)) != 0 || !pass_char(&c, ':') ||
		    !read_string(&c, &value, &value_len) || !take(key, value, value_len, out))
			return false;
		seen |= HAS(key);
	} while (pass_char(&c, ','));
	if (!pass_char(&c, '}'))
		return false;
	skip_space(&c);
	if (c.at != c.end || (seen & MUST_HAVE) != MUST_HAVE)
		return false;
	if ((seen & HAS(KEY_ID)) != 0)
		return true;
	if (now_ms >= 0)
		uuid_v7(now_ms, &out->id);
	return now_ms >= 0;
}
