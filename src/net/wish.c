/*
 * Reading the parameters of a statistics request.
 *
 * Pure functions.
 */
#include "net/wish.h"

#include <stdio.h>
#include <string.h>

#include "net/query.h"

enum param { PARAM_CAMPAIGN, PARAM_GROUP, PARAM_FROM, PARAM_TO, PARAMS };

static const char *const names[PARAMS] = {"campaign_id", "group_by", "from", "to"};

static bool fail(struct wish_error *error, const char *code, const char *field, const char *message)
{
	error->code = code;
	error->message = message;
	(void)snprintf(error->field, sizeof(error->field), "%s", field);
	return false;
}

/* A name that a client sent may be long; it is cut at a whole character. */
static bool fail_unknown(struct wish_error *error, const char *name)
{
	size_t len = strnlen(name, sizeof(error->field) - 1);
	while (len > 0 && (name[len] & 0xc0) == 0x80)
		len--;
	error->code = "invalid_field";
	error->message = "unknown parameter; expected campaign_id, group_by, from or to";
	memcpy(error->field, name, len);
	error->field[len] = '\0';
	return false;
}

static bool read_value(enum param param, const struct buf *value, struct statistics_wish *out,
		       struct wish_error *error)
{
	switch (param) {
	case PARAM_CAMPAIGN:
		return uuid_parse(value->data, value->len, &out->campaign_id) ||
		       fail(error, "invalid_field", names[param], "expected a UUID");
	case PARAM_GROUP:
		/* An empty word means the default, as in the reference. */
		return value->len == 0 || group_by_parse(value->data, &out->group_by) ||
		       fail(error, "invalid_field", names[param],
			    "expected daily, weekly or monthly");
	case PARAM_FROM:
		return date_parse(value->data, value->len, &out->from) ||
		       fail(error, "invalid_field", names[param], "expected a date as YYYY-MM-DD");
	case PARAM_TO:
		return date_parse(value->data, value->len, &out->to) ||
		       fail(error, "invalid_field", names[param], "expected a date as YYYY-MM-DD");
	case PARAMS:
		break;
	}
	return false;
}

static bool read_params(struct query *q, struct statistics_wish *out, bool seen[PARAMS],
			struct wish_error *error)
{
	while (query_next(q)) {
		int p = 0;
		while (p < PARAMS && strcmp(q->name.data, names[p]) != 0)
			p++;
		if (p == PARAMS)
			return fail_unknown(error, q->name.data);
		if (seen[p])
			return fail(error, "duplicate_field", names[p],
				    "stands twice; expected it once");
		seen[p] = true;
		if (!read_value((enum param)p, &q->value, out, error))
			return false;
	}
	return !q->broken ||
	       fail(error, "invalid_field", "", "the query string is not percent-encoded UTF-8");
}

bool statistics_wish_read(const char *query, int32_t today, struct statistics_wish *out,
			  struct wish_error *error)
{
	bool seen[PARAMS] = {false};
	*out = (struct statistics_wish){.group_by = GROUP_DAILY};
	struct query q = query_of(query);
	const bool ok = read_params(&q, out, seen, error);
	query_release(&q);
	if (!ok)
		return false;
	if (!seen[PARAM_CAMPAIGN])
		return fail(error, "missing_field", names[PARAM_CAMPAIGN],
			    "missing; expected a UUID");
	if (!seen[PARAM_TO])
		out->to = today;
	if (!seen[PARAM_FROM])
		out->from = group_default_from(out->group_by, out->to);
	if (out->from > out->to)
		return fail(error, "invalid_field", names[PARAM_FROM],
			    "expected a date not after \"to\"");
	if ((int64_t)out->to - out->from >= STATISTICS_DAYS_MAX)
		return fail(error, "invalid_field", names[PARAM_FROM],
			    "expected at most 4000 days up to \"to\"");
	return true;
}
