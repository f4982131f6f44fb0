/*
 * Reading the parameters of an export.
 *
 * Pure functions.
 */
#include "net/export_wish.h"

#include <stdlib.h>
#include <string.h>

#include "net/query.h"
#include "util/datetime.h"
#include "util/json.h"

#define US_PER_MS 1000

/* parameter, name, may it stand more than once?, what is expected */
#define PARAM_LIST(X)                                                                              \
	X(PARAM_FROM, "from", false, EXPECTED_TIME)                                                \
	X(PARAM_TO, "to", false, EXPECTED_TIME)                                                    \
	X(PARAM_CAMPAIGN, "campaign_id", true, EXPECTED_CAMPAIGN)                                  \
	X(PARAM_MODEL, "model", true, EXPECTED_MODEL)                                              \
	X(PARAM_LIMIT, "limit", false, "expected a number of rows from 1 to 1000000000")           \
	X(PARAM_CURSOR, "cursor", false, "expected the cursor of a row of the same kind")          \
	X(PARAM_FORMAT, "format", false, "expected ndjson or csv")

#define EXPECTED_TIME                                                                              \
	"expected a UTC day as YYYY-MM-DD, or an RFC 3339 time with an offset (+ is %2B in a "     \
	"query)"
#define EXPECTED_CAMPAIGN                                                                          \
	"expected a UUID, several with commas, at most 100; of conversions also none"
#define EXPECTED_MODEL                                                                             \
	"expected last_click, first_click, linear, position_based, time_decay or "                 \
	"last_non_direct, several with commas"

#define PARAM_ENUM(param, name, many, expected) param,
enum param { PARAM_LIST(PARAM_ENUM) PARAMS };
#undef PARAM_ENUM

#define PARAM_ROW(param, name, many, expected) [param] = {name, many, expected},
static const struct {
	const char *name;
	bool many;
	const char *expected;
} params[PARAMS] = {PARAM_LIST(PARAM_ROW)};
#undef PARAM_ROW

static const struct {
	const char *word;
	const char *media_type;
} formats[EXPORT_FORMATS] = {
	[EXPORT_NDJSON] = {"ndjson", "application/x-ndjson"},
	[EXPORT_CSV] = {"csv", "text/csv"},
};

/* A day is its first instant, or as an end the first one behind it. */
static bool read_time(const struct buf *value, bool is_end, int64_t *out_us)
{
	int32_t day;
	int64_t ms;
	if (date_parse(value->data, value->len, &day))
		ms = (day + (is_end ? 1 : 0)) * MS_PER_DAY;
	else if (!datetime_parse(value->data, value->len, &ms))
		return false;
	*out_us = ms * US_PER_MS;
	return true;
}

static bool read_campaign(const char *text, size_t len, struct export_question *out)
{
	struct uuid id = {0};
	const bool is_none = len == 4 && memcmp(text, "none", 4) == 0;
	if (is_none ? out->kind != EXPORT_CONVERSIONS : !uuid_parse(text, len, &id))
		return false;
	for (uint32_t i = 0; i < out->n_campaigns; i++) {
		if (uuid_is_equal(&out->campaigns[i], &id))
			return true;
	}
	if (out->n_campaigns == EXPORT_CAMPAIGNS_MAX)
		return false;
	out->campaigns[out->n_campaigns++] = id;
	return true;
}

static bool read_model(const char *text, size_t len, struct export_question *out)
{
	enum model m;
	if (!model_parse(text, len, &m))
		return false;
	out->models |= 1u << m;
	return true;
}

/* All values between commas. */
static bool read_list(enum param p, const struct buf *value, struct export_question *out)
{
	const char *at = value->data;
	for (;;) {
		const size_t len = strcspn(at, ",");
		if (!(p == PARAM_CAMPAIGN ? read_campaign(at, len, out) : read_model(at, len, out)))
			return false;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static bool read_limit(const struct buf *value, uint64_t *out)
{
	if (value->len < 1 || value->len > 10 || strspn(value->data, "0123456789") != value->len)
		return false;
	*out = strtoull(value->data, NULL, 10);
	return *out >= 1 && *out <= EXPORT_LIMIT_MAX;
}

static bool read_format(const char *text, enum export_format *out)
{
	for (int f = 0; f < EXPORT_FORMATS; f++) {
		if (strcmp(text, formats[f].word) == 0) {
			*out = (enum export_format)f;
			return true;
		}
	}
	return false;
}

static bool read_value(enum param p, const struct buf *value, struct export_question *out)
{
	switch (p) {
	case PARAM_FROM:
		out->has_from = true;
		return read_time(value, false, &out->from_us);
	case PARAM_TO:
		out->has_to = true;
		return read_time(value, true, &out->to_us);
	case PARAM_CAMPAIGN:
	case PARAM_MODEL:
		return read_list(p, value, out);
	case PARAM_LIMIT:
		return read_limit(value, &out->limit);
	case PARAM_CURSOR:
		out->has_cursor = true;
		return export_cursor_parse(out->kind, value->data, &out->cursor);
	case PARAM_FORMAT:
		return read_format(value->data, &out->format);
	case PARAMS:
		break;
	}
	return false;
}

static bool read_params(struct query *q, struct export_question *out, struct wish_error *error)
{
	bool seen[PARAMS] = {false};
	while (query_next(q)) {
		int p = 0;
		while (p < PARAMS && strcmp(q->name.data, params[p].name) != 0)
			p++;
		if (p == PARAMS || (p == PARAM_MODEL && out->kind != EXPORT_CREDITS))
			return wish_error_set(
				error, "invalid_field", q->name.data,
				"unknown parameter; expected from, to, campaign_id, limit, "
				"cursor, format or, of credits, model");
		if (seen[p] && !params[p].many)
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

/* The format that the header names first; what it prefers less is not looked at. */
static enum export_format accepted(const char *accept)
{
	const char *csv =
		accept == NULL ? NULL : strcasestr(accept, formats[EXPORT_CSV].media_type);
	const char *ndjson =
		accept == NULL ? NULL : strcasestr(accept, formats[EXPORT_NDJSON].media_type);
	return csv != NULL && (ndjson == NULL || csv < ndjson) ? EXPORT_CSV : EXPORT_NDJSON;
}

bool export_wish_read(enum export_kind kind, const char *query, const char *accept,
		      struct export_question *out, struct wish_error *error)
{
	const unsigned all_models = out->models;
	out->kind = kind;
	out->format = accepted(accept);
	out->models = 0;
	struct query q = query_of(query);
	const bool ok = read_params(&q, out, error);
	query_release(&q);
	if (out->models == 0)
		out->models = all_models;
	if (!ok)
		return false;
	return !out->has_from || !out->has_to || out->from_us < out->to_us ||
	       wish_error_set(error, "invalid_field", "from", "expected a time before to");
}
