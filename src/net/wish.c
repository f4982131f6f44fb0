/*
 * Reading the parameters of a statistics request.
 *
 * Pure functions.
 */
#include "net/wish.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/query.h"
#include "util/json.h"

/* parameter, name, may it stand more than once? */
#define PARAM_LIST(X)                                                                              \
	X(PARAM_CAMPAIGN, "campaign_id", true)                                                     \
	X(PARAM_GROUP, "group_by", false)                                                          \
	X(PARAM_FROM, "from", false)                                                               \
	X(PARAM_TO, "to", false)                                                                   \
	X(PARAM_ZONE, "tz", false)                                                                 \
	X(PARAM_BREAKDOWN, "breakdown", false)                                                     \
	X(PARAM_SOURCE, "source", true)                                                            \
	X(PARAM_TYPE, "type", true)                                                                \
	X(PARAM_MODEL, "model", false)                                                             \
	X(PARAM_COMPARE, "compare", true)                                                          \
	X(PARAM_METRICS, "metrics", true)                                                          \
	X(PARAM_PREVIOUS, "previous", false)                                                       \
	X(PARAM_ZERO_FILL, "zero_fill", false)                                                     \
	X(PARAM_LIMIT, "limit", false)                                                             \
	X(PARAM_CURSOR, "cursor", false)                                                           \
	X(PARAM_FORMAT, "format", false)

#define PARAM_ENUM(param, name, many) param,
enum param { PARAM_LIST(PARAM_ENUM) PARAMS };
#undef PARAM_ENUM

#define PARAM_ROW(param, name, many) [param] = {name, many},
static const struct {
	const char *name;
	bool many;
} params[PARAMS] = {PARAM_LIST(PARAM_ROW)};
#undef PARAM_ROW

static const struct {
	const char *word;
	const char *media_type;
} formats[FORMATS] = {
	[FORMAT_JSON] = {"json", "application/json"},
	[FORMAT_CSV] = {"csv", "text/csv"},
	[FORMAT_NDJSON] = {"ndjson", "application/x-ndjson"},
};

struct reading {
	struct statistics_wish *out;
	struct report_question *q;
	struct wish_error *error;
	bool seen[PARAMS];
};

bool wish_error_set(struct wish_error *error, const char *code, const char *field,
		    const char *message)
{
	const size_t len = utf8_cut(field, sizeof(error->field) - 1);
	error->code = code;
	error->message = message;
	memcpy(error->field, field, len);
	error->field[len] = '\0';
	return false;
}

static bool refuse(const struct reading *w, enum param p, const char *message)
{
	return wish_error_set(w->error, "invalid_field", params[p].name, message);
}

static bool fail_unknown(struct wish_error *error, const char *name)
{
	return wish_error_set(
		error, "invalid_field", name,
		"unknown parameter; expected campaign_id, group_by, from, to, tz, breakdown, "
		"source, type, model, compare, metrics, previous, zero_fill, limit, cursor or "
		"format");
}

/* The next value of a list, unescaped; false at its end. An empty list has one empty value. */
static bool next_item(const char **rest, struct buf *item)
{
	const char *c = *rest;
	if (c == NULL)
		return false;
	buf_clear(item);
	buf_reserve(item, strlen(c));
	for (; *c != '\0' && *c != ','; c++) {
		if (*c == '\\' && c[1] != '\0')
			c++;
		buf_addc(item, *c);
	}
	item->data[item->len] = '\0';
	*rest = *c == ',' ? c + 1 : NULL;
	return true;
}

static bool read_campaign(struct reading *w, const struct buf *item)
{
	struct report_question *q = w->q;
	struct uuid id = {0};
	if (strcmp(item->data, "none") != 0 && !uuid_parse(item->data, item->len, &id))
		return refuse(w, PARAM_CAMPAIGN, "expected a UUID, several with commas, or none");
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		if (uuid_is_equal(&q->campaigns[i], &id))
			return true;
	}
	if (q->n_campaigns == REPORT_CAMPAIGNS_MAX)
		return refuse(w, PARAM_CAMPAIGN, "expected at most 100 campaigns");
	q->campaigns[q->n_campaigns++] = id;
	return true;
}

static bool read_model(struct reading *w, enum param p, const struct buf *item)
{
	struct report_question *q = w->q;
	enum model m;
	if (!model_parse(item->data, item->len, &m))
		return refuse(w, p,
			      "expected last_click, first_click, linear, position_based, "
			      "time_decay or last_non_direct");
	for (uint32_t i = 0; i < q->n_models; i++) {
		if (q->models[i] == m)
			return refuse(w, p, "names a model twice");
	}
	q->models[q->n_models++] = m;
	return true;
}

static bool read_measure(struct reading *w, const struct buf *item)
{
	enum measure m;
	if (!measure_parse(item->data, &m))
		return refuse(w, PARAM_METRICS,
			      "expected total_clicks, total_conversions, total_value, "
			      "conversion_rate, unattributed_conversions or unattributed_value, "
			      "several with commas");
	w->out->metrics |= 1u << m;
	return true;
}

static bool read_name(struct reading *w, enum param p, struct name_filter *f,
		      const struct buf *item)
{
	if (item->len == 0)
		return refuse(w, p, "expected values, several with commas");
	if (f->n == REPORT_NAMES_MAX)
		return refuse(w, p, "expected at most 100 values");
	f->names[f->n++] = arena_strndup(&w->out->report->arena, item->data, item->len);
	return true;
}

static bool read_item(struct reading *w, enum param p, const struct buf *item)
{
	if (p == PARAM_CAMPAIGN)
		return read_campaign(w, item);
	if (p == PARAM_METRICS)
		return read_measure(w, item);
	if (p == PARAM_MODEL || p == PARAM_COMPARE)
		return read_model(w, p, item);
	return read_name(w, p, p == PARAM_SOURCE ? &w->q->sources : &w->q->types, item);
}

static bool read_list(struct reading *w, enum param p, const struct buf *value)
{
	const char *rest = value->data;
	if (p == PARAM_SOURCE || p == PARAM_TYPE) {
		struct name_filter *f = p == PARAM_SOURCE ? &w->q->sources : &w->q->types;
		const bool negated = *rest == '!';
		if (w->seen[p] && f->negated != negated)
			return refuse(w, p, "expected either values or !values, not both");
		f->negated = negated;
		rest += negated ? 1 : 0;
	}
	if ((p == PARAM_MODEL || p == PARAM_COMPARE) && !w->seen[p]) {
		if (w->seen[PARAM_MODEL] || w->seen[PARAM_COMPARE])
			return refuse(w, p, "expected either model or compare");
		w->q->n_models = 0;
	}
	struct buf item = BUF_INIT;
	bool ok = true;
	while (ok && next_item(&rest, &item))
		ok = read_item(w, p, &item);
	buf_release(&item);
	if (ok && p == PARAM_MODEL && w->q->n_models > 1)
		return refuse(w, p, "expected one model; several are for compare");
	return ok;
}

static bool read_zone(struct reading *w, const struct buf *value)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789/_+-";
	if (value->len == 0 || value->len >= ZONE_TEXT_MAX ||
	    strspn(value->data, allowed) != value->len)
		return refuse(w, PARAM_ZONE,
			      "expected the name of an IANA time zone, such as Europe/Berlin");
	memcpy(w->q->zone, value->data, value->len + 1);
	return true;
}

static bool read_bool(const struct reading *w, enum param p, const char *text, bool *out)
{
	*out = strcmp(text, "true") == 0;
	return *out || strcmp(text, "false") == 0 || refuse(w, p, "expected true or false");
}

static bool read_limit(const struct reading *w, const struct buf *value)
{
	char *end;
	const long n = strtol(value->data, &end, 10);
	if (value->len == 0 || strspn(value->data, "0123456789") != value->len || n < 1 ||
	    n > REPORT_PERIODS_MAX)
		return refuse(w, PARAM_LIMIT, "expected a number of periods from 1 to 10000");
	w->q->limit = (uint32_t)n;
	return true;
}

/* GROUP.FROM.TO.PLACE, as statistics_cursor writes it. */
static bool read_cursor(struct reading *w, const char *text)
{
	static const char message[] = "expected the next_cursor of an answer, with the same "
				      "group_by, from and to";
	long long numbers[3];
	const char *dot = strchr(text, '.');
	const char *group = group_by_word(w->q->group_by);
	if (dot == NULL || (size_t)(dot - text) != strlen(group) ||
	    memcmp(text, group, strlen(group)) != 0)
		return refuse(w, PARAM_CURSOR, message);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		char *end;
		numbers[i] = *dot == '.' ? strtoll(dot + 1, &end, 10) : LLONG_MAX;
		if (*dot != '.' || end == dot + 1 || llabs(numbers[i]) > 300000000000)
			return refuse(w, PARAM_CURSOR, message);
		dot = end;
	}
	if (*dot != '\0' || llabs(numbers[0]) > 5000000 || llabs(numbers[1]) > 5000000 ||
	    (w->q->has_from && w->q->from != numbers[0]) ||
	    (w->q->has_to && w->q->to != numbers[1]))
		return refuse(w, PARAM_CURSOR, message);
	w->q->has_from = w->q->has_to = w->q->has_cursor = true;
	w->q->from = (int32_t)numbers[0];
	w->q->to = (int32_t)numbers[1];
	w->q->cursor = numbers[2];
	return true;
}

static bool read_format(const struct reading *w, const char *text)
{
	for (int f = 0; f < FORMATS; f++) {
		if (strcmp(text, formats[f].word) == 0) {
			w->out->format = (enum format)f;
			return true;
		}
	}
	return refuse(w, PARAM_FORMAT, "expected json, csv or ndjson");
}

static bool read_value(struct reading *w, enum param p, const struct buf *value)
{
	struct report_question *q = w->q;
	switch (p) {
	case PARAM_GROUP:
		/* An empty word means the default, as in the reference. */
		return value->len == 0 || group_by_parse(value->data, &q->group_by) ||
		       refuse(w, p, "expected hourly, daily, weekly, monthly or total");
	case PARAM_FROM:
		q->has_from = date_parse(value->data, value->len, &q->from);
		return q->has_from || refuse(w, p, "expected a date as YYYY-MM-DD");
	case PARAM_TO:
		q->has_to = date_parse(value->data, value->len, &q->to);
		return q->has_to || refuse(w, p, "expected a date as YYYY-MM-DD");
	case PARAM_ZONE:
		return read_zone(w, value);
	case PARAM_BREAKDOWN:
		return breakdown_parse(value->data, &q->breakdown) ||
		       refuse(w, p, "expected source, type or campaign");
	case PARAM_PREVIOUS:
		return read_bool(w, p, value->data, &q->previous);
	case PARAM_ZERO_FILL:
		return read_bool(w, p, value->data, &q->zero_fill);
	case PARAM_LIMIT:
		return read_limit(w, value);
	case PARAM_CURSOR:
		return true; /* read when the others are known */
	case PARAM_FORMAT:
		return read_format(w, value->data);
	case PARAM_CAMPAIGN:
	case PARAM_SOURCE:
	case PARAM_TYPE:
	case PARAM_MODEL:
	case PARAM_COMPARE:
	case PARAM_METRICS:
		return read_list(w, p, value);
	case PARAMS:
		break;
	}
	return false;
}

static bool read_params(struct reading *w, struct query *query, struct buf *cursor)
{
	while (query_next(query)) {
		int p = 0;
		while (p < PARAMS && strcmp(query->name.data, params[p].name) != 0)
			p++;
		if (p == PARAMS)
			return fail_unknown(w->error, query->name.data);
		if (w->seen[p] && !params[p].many)
			return wish_error_set(w->error, "duplicate_field", params[p].name,
					      "stands twice; expected it once");
		if (!read_value(w, (enum param)p, &query->value))
			return false;
		if (p == PARAM_CURSOR)
			buf_add(cursor, query->value.data, query->value.len);
		w->seen[p] = true;
	}
	if (query->broken)
		return wish_error_set(w->error, "invalid_field", "",
				      "the query string is not percent-encoded UTF-8");
	if (w->seen[PARAM_CURSOR])
		return read_cursor(w, cursor->len > 0 ? cursor->data : "");
	return true;
}

/* The first format that the header names; what it prefers less is not looked at. */
static enum format accepted(const char *accept)
{
	size_t first = SIZE_MAX;
	enum format found = FORMAT_JSON;
	for (int f = 0; accept != NULL && f < FORMATS; f++) {
		const char *at = strcasestr(accept, formats[f].media_type);
		if (at != NULL && (size_t)(at - accept) < first) {
			first = (size_t)(at - accept);
			found = (enum format)f;
		}
	}
	return found;
}

bool statistics_wish_read(const char *query, const char *accept, int64_t now_ms,
			  struct statistics_wish *out, struct wish_error *error)
{
	*out = (struct statistics_wish){.report = report_new(), .format = accepted(accept)};
	struct reading w = {.out = out, .q = &out->report->question, .error = error};
	w.q->now_ms = now_ms;
	struct query params_of = query_of(query);
	struct buf cursor = BUF_INIT;
	const bool ok = read_params(&w, &params_of, &cursor);
	query_release(&params_of);
	buf_release(&cursor);
	if (!ok)
		return false;
	if (!w.seen[PARAM_CAMPAIGN])
		return wish_error_set(error, "missing_field", params[PARAM_CAMPAIGN].name,
				      "missing; expected a UUID");
	if (out->metrics == 0)
		out->metrics = MEASURES_ALL;
	if (strcmp(w.q->zone, "UTC") == 0 && !report_resolve(out->report, day_of_ms(now_ms)))
		return wish_error_set(error, "invalid_field", out->report->field,
				      out->report->problem);
	return true;
}

bool statistics_wish_is_plain(const struct report_question *q)
{
	static const struct uuid nil;
	return q->n_campaigns == 1 && !uuid_is_equal(&q->campaigns[0], &nil) &&
	       q->group_by != GROUP_HOURLY && strcmp(q->zone, "UTC") == 0 &&
	       q->breakdown == BREAKDOWN_NONE && q->sources.n == 0 && q->types.n == 0 &&
	       q->n_models == 1 && q->models[0] == MODEL_LAST_CLICK;
}

void statistics_cursor(const struct report_question *q, const struct periods *p, struct buf *out)
{
	buf_addf(out, "%s.%" PRId32 ".%" PRId32 ".%" PRId64, group_by_word(q->group_by), q->from,
		 q->to, p->next);
}
