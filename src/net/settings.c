/*
 * The routes of settings.
 *
 * Runs on CivetWeb's workers, which wait here for a query actor.
 */
#include "net/settings.h"

#include <civetweb.h>
#include <stdlib.h>
#include <string.h>

#include "net/response.h"
#include "net/setting_params.h"
#include "net/worker.h"
#include "util/datetime.h"

#define DATE_ARGS(text) RFC3339_TEXT_LEN, (text)

/* --- answers --- */

static void add_earliest(struct buf *out, int64_t ms)
{
	char text[RFC3339_TEXT_LEN];
	datetime_write(ms, text);
	buf_addf(out, "\"earliest_valid_from\":\"%.*s\"", DATE_ARGS(text));
}

/* The page's rows; a row behind them is there to tell that, and what the last one's state is. */
static void answer_windows(struct request *r, const struct msg_settings *s)
{
	struct buf *out = response_begin(r);
	const struct rules *rules = &s->rules;
	const bool more = rules->n_windows > s->filter.limit;
	const uint32_t n = more ? s->filter.limit : rules->n_windows;
	buf_adds(out, "{\"data\":[");
	for (uint32_t i = 0; i < n; i++) {
		const struct window_rule *w = &rules->windows[i];
		if (i > 0)
			buf_addc(out, ',');
		window_write(w, true,
			     window_state(w, i + 1 < rules->n_windows ? w + 1 : NULL, r->now_ms),
			     out);
	}
	buf_adds(out, "],\"next_cursor\":");
	if (more) {
		struct buf cursor = BUF_INIT;
		setting_cursor_write(&rules->windows[n - 1], &cursor);
		buf_add_json(out, cursor.data, cursor.len);
		buf_release(&cursor);
	} else {
		buf_adds(out, "null");
	}
	buf_addc(out, ',');
	add_earliest(out, s->limit_ms);
	buf_addc(out, '}');
	response_send(r, 200);
}

static void answer_models(struct request *r, const struct msg_settings *s)
{
	struct buf *out = response_begin(r);
	const struct rules *rules = &s->rules;
	buf_adds(out, "{\"data\":[");
	for (uint32_t i = 0; i < rules->n_models; i++) {
		const struct model_rules *m = &rules->models[i];
		const int64_t next = i + 1 < rules->n_models ? m[1].from_ms : INT64_MAX;
		if (i > 0)
			buf_addc(out, ',');
		models_write(m, setting_state(m->from_ms, next, r->now_ms), out);
	}
	buf_adds(out, "],");
	add_earliest(out, s->limit_ms);
	buf_addc(out, '}');
	response_send(r, 200);
}

/* The one row that was added or taken away; it is or was to come. */
static void answer_row(struct request *r, int status, const struct msg_settings *s)
{
	struct buf *out = response_begin(r);
	if (s->rules.n_windows > 0)
		window_write(&s->rules.windows[0], true, SETTING_COMING, out);
	else
		models_write(&s->rules.models[0], SETTING_COMING, out);
	response_send(r, status);
}

static void answer_done(struct request *r, const struct msg_settings *s)
{
	if (s->op == SETTINGS_LIST_WINDOWS)
		answer_windows(r, s);
	else if (s->op == SETTINGS_LIST_MODELS)
		answer_models(r, s);
	else
		answer_row(r,
			   s->op == SETTINGS_ADD_WINDOW || s->op == SETTINGS_ADD_MODELS ? 201 : 200,
			   s);
}

static void answer_too_early(struct request *r, const struct msg_settings *s)
{
	char text[RFC3339_TEXT_LEN];
	datetime_write(s->limit_ms, text);
	response_error(r, 400, "invalid_field", "valid_from",
		       "valid_from: expected a time from %.*s on, since conversions dated up to "
		       "then may be booked already; what holds for past ones changes only by a "
		       "recompute",
		       DATE_ARGS(text));
}

static void answer(struct request *r, const struct msg_settings *s)
{
	switch (s->outcome) {
	case SETTINGS_DONE:
		answer_done(r, s);
		break;
	case SETTINGS_SAME:
		answer_row(r, 200, s);
		break;
	case SETTINGS_EXISTS:
		response_error(r, 409, "conflict", "valid_from",
			       "valid_from: another setting has this date already; take it away "
			       "first, or choose another date");
		break;
	case SETTINGS_TOO_EARLY:
		answer_too_early(r, s);
		break;
	case SETTINGS_TOO_MUCH:
		response_error(r, 400, "invalid_field",
			       s->models.first_ppm >= 0 ? "first_percent" : "last_percent",
			       "%s: expected first_percent and last_percent to be at most 100 "
			       "together, also with the one that was left out",
			       s->models.first_ppm >= 0 ? "first_percent" : "last_percent");
		break;
	case SETTINGS_IN_USE:
		response_error(r, 409, "conflict", "valid_from",
			       "valid_from: conversions may be booked by this setting already, so "
			       "it stays; date another one to follow it");
		break;
	case SETTINGS_UNKNOWN:
		response_error(r, 404, "not_found", NULL, "there is no such setting");
		break;
	case SETTINGS_NO_CAMPAIGN:
		response_error(r, 404, "unknown_campaign", "campaign_id",
			       "campaign_id: there is no campaign of this id");
		break;
	case SETTINGS_FAILED:
		response_error(r, 503, "unavailable", NULL,
			       "the settings could not be reached, or the change is not known to "
			       "be made; look, or repeat it with the same valid_from");
		break;
	}
}

/* Hand @m to a query actor and answer with what becomes of it. Takes the message. */
static void ask(struct request *r, struct msg *m)
{
	struct msg *done = worker_ask_query(r->w, &m, 0);
	static const struct msg_settings failed = {.outcome = SETTINGS_FAILED};
	answer(r, done == NULL ? &failed : &done->settings);
	msg_free(done);
}

/* A message with copies of texts behind it; @at[i] says where each stands, NULL as it was. */
static struct msg *message(enum settings_op op, const char **at, size_t n)
{
	size_t size = 0;
	for (size_t i = 0; i < n; i++)
		size += at[i] == NULL ? 0 : strlen(at[i]) + 1;
	struct msg *m = msg_new(MSG_SETTINGS, size);
	char *to = m->bytes;
	m->settings.op = op;
	for (size_t i = 0; i < n; i++) {
		if (at[i] == NULL)
			continue;
		const size_t len = strlen(at[i]) + 1;
		memcpy(to, at[i], len);
		at[i] = to;
		to += len;
	}
	return m;
}

/* --- GET --- */

void settings_list_windows(struct request *r)
{
	struct setting_params p;
	struct refusal refusal;
	char id[UUID_TEXT_LEN + 1], behind[UUID_TEXT_LEN + 1];
	if (setting_params_read(r->info->query_string,
				PARAM_CAMPAIGN | PARAM_TYPE | PARAM_LIMIT | PARAM_CURSOR, &p,
				&refusal)) {
		uuid_format(&p.campaign_id, id);
		uuid_format(&p.behind_campaign, behind);
		const bool has_cursor = (p.given & PARAM_CURSOR) != 0;
		const char *texts[] = {
			(p.given & PARAM_CAMPAIGN) != 0 ? id : NULL,
			(p.given & PARAM_TYPE) != 0 ? p.type.data : NULL,
			has_cursor ? behind : NULL,
			has_cursor ? p.behind_type.data : NULL,
		};
		struct msg *m = message(SETTINGS_LIST_WINDOWS, texts, ARRAY_LEN(texts));
		m->settings.filter = (struct windows_filter){texts[0], texts[1],    texts[2],
							     texts[3], p.behind_ms, p.limit};
		ask(r, m);
	} else {
		response_refuse(r, refusal.code, refusal.field, refusal.message);
	}
	setting_params_release(&p);
}

void settings_list_models(struct request *r)
{
	struct setting_params p;
	struct refusal refusal;
	if (setting_params_read(r->info->query_string, 0, &p, &refusal))
		ask(r, message(SETTINGS_LIST_MODELS, NULL, 0));
	else
		response_refuse(r, refusal.code, refusal.field, refusal.message);
	setting_params_release(&p);
}

/* --- POST --- */

/* The body; the tree is the caller's. NULL: answered. */
static cJSON *read_body(struct request *r)
{
	if (!request_check_media(r, false) ||
	    !request_read_body(r, (size_t)r->w->deps->cfg->body_max_bytes))
		return NULL;
	return request_parse_json(r);
}

void settings_add_window(struct request *r)
{
	struct window_wish wish;
	struct refusal refusal;
	cJSON *tree = read_body(r);
	if (tree == NULL)
		return;
	if (window_wish_read(tree, &wish, &refusal)) {
		struct msg *m = message(SETTINGS_ADD_WINDOW, &wish.type, 1);
		m->settings.window = wish;
		ask(r, m);
	} else {
		response_refuse(r, refusal.code, refusal.field, refusal.message);
	}
	cJSON_Delete(tree);
}

void settings_add_models(struct request *r)
{
	struct models_wish wish;
	struct refusal refusal;
	struct buf direct = BUF_INIT;
	cJSON *tree = read_body(r);
	if (tree == NULL)
		return;
	if (models_wish_read(tree, &wish, &refusal)) {
		if (wish.direct != NULL)
			models_wish_write_direct(&wish, &direct);
		const char *text = wish.direct != NULL ? direct.data : NULL;
		struct msg *m = message(SETTINGS_ADD_MODELS, &text, 1);
		wish.direct = NULL; /* the tree's */
		m->settings.models = wish;
		m->settings.direct = text;
		ask(r, m);
	} else {
		response_refuse(r, refusal.code, refusal.field, refusal.message);
	}
	buf_release(&direct);
	cJSON_Delete(tree);
}

/* --- DELETE --- */

/* The parameters say which one; its date is required. False: answered. */
static bool read_which(struct request *r, unsigned allowed, struct setting_params *out)
{
	struct refusal refusal;
	if (!setting_params_read(r->info->query_string, allowed, out, &refusal)) {
		response_refuse(r, refusal.code, refusal.field, refusal.message);
		return false;
	}
	if ((out->given & PARAM_FROM) != 0)
		return true;
	response_error(r, 400, "missing_field", "valid_from",
		       "valid_from: missing; expected the valid_from of the one to take away");
	return false;
}

void settings_drop_window(struct request *r)
{
	struct setting_params p;
	if (read_which(r, PARAM_CAMPAIGN | PARAM_TYPE | PARAM_FROM, &p)) {
		const char *type = (p.given & PARAM_TYPE) != 0 ? p.type.data : "";
		struct msg *m = message(SETTINGS_DROP_WINDOW, &type, 1);
		m->settings.window = (struct window_wish){
			.campaign_id = p.campaign_id, .type = type, .from_ms = p.from_ms};
		ask(r, m);
	}
	setting_params_release(&p);
}

void settings_drop_models(struct request *r)
{
	struct setting_params p;
	if (read_which(r, PARAM_FROM, &p)) {
		struct msg *m = message(SETTINGS_DROP_MODELS, NULL, 0);
		m->settings.models.from_ms = p.from_ms;
		ask(r, m);
	}
	setting_params_release(&p);
}
