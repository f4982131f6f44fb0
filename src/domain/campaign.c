/*
 * Making and writing campaigns.
 *
 * Pure functions; any thread.
 */
#include "domain/campaign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/datetime.h"

#define STATUS_WORD(status, word) [status] = word,
static const char *const words[CAMPAIGN_STATUSES] = {CAMPAIGN_STATUS_LIST(STATUS_WORD)};
#undef STATUS_WORD

/* Capital letters of two bytes in UTF-8, beside ASCII's; small ones are as long. */
static const struct {
	uint16_t first, last;
	int16_t add;
	uint16_t step; /* 2: capitals and small ones take turns */
} capitals[] = {
	{0x00c0, 0x00d6, 32, 1},   {0x00d8, 0x00de, 32, 1}, {0x0100, 0x012e, 1, 2},
	{0x0132, 0x0136, 1, 2},	   {0x0139, 0x0147, 1, 2},  {0x014a, 0x0176, 1, 2},
	{0x0178, 0x0178, -121, 1}, {0x0179, 0x017d, 1, 2},  {0x0386, 0x0386, 38, 1},
	{0x0388, 0x038a, 37, 1},   {0x038c, 0x038c, 64, 1}, {0x038e, 0x038f, 63, 1},
	{0x0391, 0x03a1, 32, 1},   {0x03a3, 0x03ab, 32, 1}, {0x0400, 0x040f, 80, 1},
	{0x0410, 0x042f, 32, 1},
};

static size_t text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

/* Copy @text to *@at and move *@at behind it. */
static const char *place(char **at, const char *text)
{
	const size_t size = text_size(text);
	char *start = *at;
	if (text == NULL)
		return NULL;
	memcpy(start, text, size);
	*at += size;
	return start;
}

struct campaign *campaign_new(const struct campaign *from)
{
	struct buf folded = BUF_INIT;
	campaign_fold(from->name == NULL ? "" : from->name,
		      from->name == NULL ? 0 : strlen(from->name), &folded);
	size_t size = sizeof(*from) + from->n_tags * sizeof(char *) + folded.len + 1 +
		      text_size(from->name) + text_size(from->target_url);
	for (uint32_t i = 0; i < from->n_tags; i++)
		size += text_size(from->tags[i]);
	for (uint32_t i = 0; i < from->n_windows; i++)
		size += sizeof(*from->windows) + from->windows[i].type.len + 1;
	struct campaign *c = xmalloc(size);
	*c = *from;
	struct window_rule *windows = (struct window_rule *)(void *)(c + 1);
	const char **tags = (const char **)(void *)(windows + from->n_windows);
	char *at = (char *)(tags + from->n_tags);
	c->name = place(&at, from->name);
	c->target_url = place(&at, from->target_url);
	c->folded = place(&at, folded.len == 0 ? "" : folded.data);
	for (uint32_t i = 0; i < from->n_tags; i++)
		tags[i] = place(&at, from->tags[i]);
	for (uint32_t i = 0; i < from->n_windows; i++) {
		windows[i] = from->windows[i];
		windows[i].type.data = place(&at, from->windows[i].type.data);
	}
	c->tags = tags;
	c->windows = windows;
	buf_release(&folded);
	return c;
}

const char *campaign_status_word(enum campaign_status status)
{
	ASSERT(status < CAMPAIGN_STATUSES);
	return words[status];
}

bool campaign_status_parse(const char *word, enum campaign_status *out)
{
	for (int s = 0; s < CAMPAIGN_STATUSES; s++) {
		if (strcmp(word, words[s]) == 0) {
			*out = (enum campaign_status)s;
			return true;
		}
	}
	return false;
}

bool campaign_has_tag(const struct campaign *c, const char *tag)
{
	for (uint32_t i = 0; i < c->n_tags; i++) {
		if (strcmp(c->tags[i], tag) == 0)
			return true;
	}
	return false;
}

static uint32_t small(uint32_t letter)
{
	for (size_t i = 0; i < ARRAY_LEN(capitals); i++) {
		if (letter >= capitals[i].first && letter <= capitals[i].last &&
		    (letter - capitals[i].first) % capitals[i].step == 0)
			return (uint32_t)((int32_t)letter + capitals[i].add);
	}
	return letter;
}

void campaign_fold(const char *text, size_t len, struct buf *out)
{
	buf_reserve(out, len);
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];
		if ((c & 0xe0) == 0xc0 && i + 1 < len) {
			const uint32_t letter =
				small((c & 0x1fu) << 6 | ((unsigned char)text[++i] & 0x3fu));
			buf_addc(out, (char)(0xc0 | letter >> 6));
			buf_addc(out, (char)(0x80 | (letter & 0x3f)));
		} else {
			buf_addc(out, (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c));
		}
	}
}

static void add_text(struct buf *out, const char *key, const char *text)
{
	buf_addf(out, ",\"%s\":", key);
	if (text == NULL)
		buf_adds(out, "null");
	else
		buf_add_json(out, text, strlen(text));
}

static void add_time(struct buf *out, const char *key, int64_t us)
{
	char text[RFC3339_TEXT_LEN];
	datetime_write(us / 1000 - (us % 1000 < 0), text);
	buf_addf(out, ",\"%s\":\"%.*s\"", key, RFC3339_TEXT_LEN, text);
}

/* What was replaced, and what ended, is left out. */
static void add_windows(const struct campaign *c, int64_t now_ms, struct buf *out)
{
	bool any = false;
	buf_adds(out, ",\"windows\":[");
	for (uint32_t i = 0; i < c->n_windows; i++) {
		const struct window_rule *w = &c->windows[i];
		const enum setting_state state =
			window_state(w, i + 1 < c->n_windows ? w + 1 : NULL, now_ms);
		if (state == SETTING_PAST || (state == SETTING_IN_FORCE && w->lookback_ms < 0))
			continue;
		if (any)
			buf_addc(out, ',');
		window_write(w, false, state, out);
		any = true;
	}
	buf_addc(out, ']');
}

void campaign_write(const struct campaign *c, int64_t now_ms, struct buf *out)
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&c->id, id);
	buf_addf(out, "{\"campaign_id\":\"%s\"", id);
	add_text(out, "name", c->name);
	add_text(out, "status", words[c->status]);
	add_text(out, "target_url", c->target_url);
	buf_adds(out, ",\"tags\":[");
	for (uint32_t i = 0; i < c->n_tags; i++) {
		if (i > 0)
			buf_addc(out, ',');
		buf_add_json(out, c->tags[i], strlen(c->tags[i]));
	}
	buf_addc(out, ']');
	add_windows(c, now_ms, out);
	add_time(out, "created_at", c->created_us);
	add_time(out, "updated_at", c->updated_us);
	buf_addf(out, ",\"revision\":%" PRId64 "}", c->revision);
}
