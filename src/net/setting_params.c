/*
 * Reading the parameters of settings.
 *
 * Pure functions, but for the memory of the texts.
 */
#include "net/setting_params.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net/query.h"
#include "util/datetime.h"

static const struct {
	unsigned bit;
	const char *name;
	const char *expected;
} params[] = {
	{PARAM_CAMPAIGN, "campaign_id", "expected a UUID; the nil UUID: those of every campaign"},
	{PARAM_TYPE, "type", "expected at most 255 characters; none: those of every type"},
	{PARAM_FROM, "valid_from", "expected the valid_from of a row, RFC 3339 with an offset"},
	{PARAM_LIMIT, "limit", "expected a number from 1 to 10000"},
	{PARAM_CURSOR, "cursor", "expected the next_cursor of an answer"},
};

static bool read_limit(const struct buf *value, uint32_t *out)
{
	if (value->len < 1 || value->len > 5 || strspn(value->data, "0123456789") != value->len)
		return false;
	*out = (uint32_t)strtoul(value->data, NULL, 10);
	return *out >= 1 && *out <= WINDOWS_LIMIT_MAX;
}

static bool read_cursor(const struct buf *value, struct setting_params *out)
{
	char *end;
	if (value->len <= UUID_TEXT_LEN || value->data[UUID_TEXT_LEN] != '.' ||
	    !uuid_parse(value->data, UUID_TEXT_LEN, &out->behind_campaign))
		return false;
	const char *number = value->data + UUID_TEXT_LEN + 1;
	errno = 0;
	out->behind_ms = strtoll(number, &end, 10);
	if (errno != 0 || end == number || *end != '.')
		return false;
	buf_adds(&out->behind_type, end + 1);
	return true;
}

static bool read_value(unsigned bit, const struct buf *value, struct setting_params *out)
{
	switch (bit) {
	case PARAM_CAMPAIGN:
		return value->len > 0 && uuid_parse(value->data, value->len, &out->campaign_id);
	case PARAM_TYPE:
		buf_add(&out->type, value->len > 0 ? value->data : "", value->len);
		return value->len == 0 || utf8_count(value->data, value->len) <= SETTING_TYPE_MAX;
	case PARAM_FROM:
		return value->len > 0 && datetime_parse(value->data, value->len, &out->from_ms);
	case PARAM_LIMIT:
		return read_limit(value, &out->limit);
	default:
		return read_cursor(value, out);
	}
}

static bool refuse_unknown(const char *name, unsigned allowed, struct refusal *refusal)
{
	struct buf text = BUF_INIT;
	buf_adds(&text, "unknown parameter; expected ");
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		if ((allowed & params[i].bit) == 0)
			continue;
		buf_addf(&text, "%s%s", any ? ", " : "", params[i].name);
		any = true;
	}
	if (!any)
		buf_adds(&text, "none");
	(void)refusal_set(refusal, "invalid_field", name, text.data);
	buf_release(&text);
	return false;
}

static bool read_params(struct query *q, unsigned allowed, struct setting_params *out,
			struct refusal *refusal)
{
	while (query_next(q)) {
		size_t p = 0;
		while (p < ARRAY_LEN(params) && ((allowed & params[p].bit) == 0 ||
						 strcmp(q->name.data, params[p].name) != 0))
			p++;
		if (p == ARRAY_LEN(params))
			return refuse_unknown(q->name.data, allowed, refusal);
		if ((out->given & params[p].bit) != 0)
			return refusal_set(refusal, "duplicate_field", params[p].name,
					   "stands twice; expected it once");
		out->given |= params[p].bit;
		if (!read_value(params[p].bit, &q->value, out))
			return refusal_set(refusal, "invalid_field", params[p].name,
					   params[p].expected);
	}
	return !q->broken || refusal_set(refusal, "invalid_field", "",
					 "the query string is not percent-encoded UTF-8");
}

bool setting_params_read(const char *query, unsigned allowed, struct setting_params *out,
			 struct refusal *refusal)
{
	*out = (struct setting_params){
		.limit = WINDOWS_LIMIT_DEFAULT, .type = BUF_INIT, .behind_type = BUF_INIT};
	struct query q = query_of(query);
	const bool ok = read_params(&q, allowed, out, refusal);
	query_release(&q);
	return ok;
}

void setting_params_release(struct setting_params *p)
{
	buf_release(&p->type);
	buf_release(&p->behind_type);
}

void setting_cursor_write(const struct window_rule *w, struct buf *out)
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&w->campaign_id, id);
	buf_addf(out, "%s.%" PRId64 ".", id, w->from_ms);
	buf_add(out, w->type.data, w->type.len);
}
