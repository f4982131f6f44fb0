/*
 * Reading the parameters of a list of campaigns.
 *
 * Pure functions, but for the memory of the wish. A cursor is the time of creation in microseconds,
 * a point, and the id.
 */
#include "net/campaign_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/query.h"

enum param { PARAM_LIMIT, PARAM_CURSOR, PARAM_SEARCH, PARAM_STATUS, PARAM_TAG, PARAMS };

static const struct {
	const char *name;
	const char *expected;
} params[PARAMS] = {
	[PARAM_LIMIT] = {"limit", "expected a number from 1 to 1000"},
	[PARAM_CURSOR] = {"cursor", "expected the next_cursor of an answer"},
	[PARAM_SEARCH] = {"search", "expected 1 to 255 characters"},
	[PARAM_STATUS] = {"status", "expected active, paused or archived"},
	[PARAM_TAG] = {"tag", "expected 1 to 64 characters"},
};

static bool read_limit(const struct buf *value, uint32_t *out)
{
	if (value->len < 1 || value->len > 4 || strspn(value->data, "0123456789") != value->len)
		return false;
	*out = (uint32_t)strtoul(value->data, NULL, 10);
	return *out >= 1 && *out <= PAGE_LIMIT_MAX;
}

static bool read_cursor(const struct buf *value, struct registry_place *out)
{
	char *end;
	errno = 0;
	out->created_us = strtoll(value->data, &end, 10);
	const size_t digits = (size_t)(end - value->data);
	return errno == 0 && digits > 0 && *end == '.' &&
	       uuid_parse(end + 1, value->len - digits - 1, &out->id);
}

/* So many characters, kept in @out. */
static bool read_text(const struct buf *value, size_t most, bool fold, struct buf *out)
{
	const size_t count = utf8_count(value->data, value->len);
	if (count < 1 || count > most)
		return false;
	if (fold)
		campaign_fold(value->data, value->len, out);
	else
		buf_add(out, value->data, value->len);
	return true;
}

static bool read_value(enum param param, const struct buf *value, struct page_wish *out)
{
	struct registry_filter *f = &out->filter;
	switch (param) {
	case PARAM_LIMIT:
		return read_limit(value, &f->limit);
	case PARAM_CURSOR:
		f->has_behind = true;
		return read_cursor(value, &f->behind);
	case PARAM_SEARCH:
		return read_text(value, CAMPAIGN_NAME_MAX, true, &out->search);
	case PARAM_STATUS:
		f->has_status = true;
		return campaign_status_parse(value->data, &f->status);
	case PARAM_TAG:
		return read_text(value, CAMPAIGN_TAG_MAX, false, &out->tag);
	case PARAMS:
		break;
	}
	return false;
}

static bool read_params(struct query *q, struct page_wish *out, struct wish_error *error)
{
	bool seen[PARAMS] = {false};
	while (query_next(q)) {
		int p = 0;
		while (p < PARAMS && strcmp(q->name.data, params[p].name) != 0)
			p++;
		if (p == PARAMS)
			return wish_error_set(
				error, "invalid_field", q->name.data,
				"unknown parameter; expected limit, cursor, search, status or "
				"tag");
		if (seen[p])
			return wish_error_set(error, "duplicate_field", params[p].name,
					      "stands twice; expected it once");
		seen[p] = true;
		if (!read_value((enum param)p, &q->value, out))
			return wish_error_set(error, "invalid_field", params[p].name,
					      params[p].expected);
	}
	return !q->broken || wish_error_set(error, "invalid_field", "",
					    "the query string is not percent-encoded UTF-8");
}

bool page_wish_read(const char *query, struct page_wish *out, struct wish_error *error)
{
	*out = (struct page_wish){
		.filter = {.limit = PAGE_LIMIT_DEFAULT}, .search = BUF_INIT, .tag = BUF_INIT};
	struct query q = query_of(query);
	const bool ok = read_params(&q, out, error);
	query_release(&q);
	out->filter.search = out->search.len > 0 ? out->search.data : NULL;
	out->filter.tag = out->tag.len > 0 ? out->tag.data : NULL;
	return ok;
}

void page_wish_release(struct page_wish *wish)
{
	buf_release(&wish->search);
	buf_release(&wish->tag);
}

void page_cursor_format(const struct registry_place *place, char out[PAGE_CURSOR_MAX])
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&place->id, id);
	snprintf(out, PAGE_CURSOR_MAX, "%" PRId64 ".%s", place->created_us, id);
}
