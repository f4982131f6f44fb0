/*
 * Changing the dated settings.
 *
 * Runs on the query actors, each with a connection of its own.
 *
 * lock_note: a batch reads the settings after it took a shared lock in its first statement; who
 * changes them holds that lock exclusively. So every conversion that was booked without the change
 * was booked, and accepted before, when the lock came. No edge accepts one that is dated further
 * ahead than FUTURE_LIMIT_MS of its clock; the margins below are what the clocks of processes may
 * differ by. The date is judged behind the lock, whatever time passes until the commit. What other
 * producers put into Kafka may be dated anyhow: reconcile finds and mends it.
 */
#include "store/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/rules.h"
#include "store/statement.h"
#include "util/clock.h"

#define NUMBER_MAX 24
#define ADD_MARGIN_MS 60000
#define DROP_MARGIN_MS 30000 /* less: so what was just added can be taken back for a while */
#define TRIES 1000	     /* of dates, one millisecond each */

int64_t settings_earliest_ms(const struct config *cfg)
{
	return clock_wall_ms() + cfg->future_limit_ms + ADD_MARGIN_MS;
}

enum err settings_begin(struct pg *pg)
{
	enum err e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_settings_lock, 0, NULL, NULL);
	if (e != ERR_OK)
		pg_rollback(pg);
	return e;
}

static bool is_nil(const struct uuid *id)
{
	static const struct uuid nil;
	return uuid_is_equal(id, &nil);
}

/* A campaign's row follows its windows. False, and the outcome is set: there is no such campaign,
 * or an error. */
static bool touch_campaign(struct pg *pg, struct msg_settings *m, enum err *e)
{
	char id[UUID_TEXT_LEN + 1];
	const char *const params[] = {id};
	PGresult *r;
	if (is_nil(&m->window.campaign_id))
		return true;
	uuid_format(&m->window.campaign_id, id);
	*e = pg_run(pg, SQL_touch_campaign, 1, params, &r);
	if (*e != ERR_OK)
		return false;
	const bool found = PQntuples(r) == 1;
	PQclear(r);
	if (!found)
		m->outcome = SETTINGS_NO_CAMPAIGN;
	return found;
}

/* Run a statement that adds a row, and read the row of its key into the answer. */
static enum err add_row(struct pg *pg, enum sql add, int n, const char *const *params,
			enum sql find, int n_key, const char *const *key, struct rules *found,
			bool *added)
{
	PGresult *r;
	enum err e = pg_run(pg, add, n, params, &r);
	if (e != ERR_OK)
		return e;
	*added = PQntuples(r) == 1;
	PQclear(r);
	return rules_read(pg, find, n_key, key, found);
}

/* Once, with a date. */
static enum err add_window(struct pg *pg, struct msg_settings *m)
{
	char id[UUID_TEXT_LEN + 1], from[NUMBER_MAX], lookback[NUMBER_MAX];
	const struct window_wish *w = &m->window;
	bool added;
	uuid_format(&w->campaign_id, id);
	snprintf(from, sizeof(from), "%" PRId64, w->from_ms);
	snprintf(lookback, sizeof(lookback), "%" PRId64, w->lookback_ms);
	const char *const params[] = {id, w->type, from, w->lookback_ms < 0 ? NULL : lookback};
	const enum err e = add_row(pg, SQL_add_window, 4, params, SQL_find_window, 3, params,
				   &m->rules, &added);
	if (e != ERR_OK)
		return e;
	const bool same =
		m->rules.n_windows == 1 && m->rules.windows[0].lookback_ms == w->lookback_ms;
	m->outcome = added ? SETTINGS_DONE : same ? SETTINGS_SAME : SETTINGS_EXISTS;
	return ERR_OK;
}

/* Does a row say all that is wished? */
static bool is_wished(const struct model_rules *m, const struct models_wish *w, const char *direct)
{
	if ((w->first_ppm >= 0 && w->first_ppm != m->first_ppm) ||
	    (w->last_ppm >= 0 && w->last_ppm != m->last_ppm) ||
	    (w->half_life_ms != 0 && w->half_life_ms != m->half_life_ms) ||
	    (w->path_max != 0 && w->path_max != m->path_max) ||
	    (w->narrow >= 0 && (w->narrow == 1) != m->is_narrowed))
		return false;
	if (direct == NULL)
		return true;
	struct buf text = BUF_INIT;
	buf_addc(&text, '[');
	for (uint32_t i = 0; i < m->n_direct; i++) {
		if (i > 0)
			buf_addc(&text, ',');
		buf_add_json(&text, m->direct[i].data, m->direct[i].len);
	}
	buf_addc(&text, ']');
	const bool same = strcmp(text.data, direct) == 0;
	buf_release(&text);
	return same;
}

static const char *number(char out[NUMBER_MAX], int64_t n, bool given)
{
	snprintf(out, NUMBER_MAX, "%" PRId64, n);
	return given ? out : NULL;
}

/* The same for models. */
static enum err add_models(struct pg *pg, struct msg_settings *m)
{
	char numbers[5][NUMBER_MAX];
	const struct models_wish *w = &m->models;
	const char *const params[] = {
		number(numbers[0], w->from_ms, true),
		number(numbers[1], w->first_ppm, w->first_ppm >= 0),
		number(numbers[2], w->last_ppm, w->last_ppm >= 0),
		number(numbers[3], w->half_life_ms, w->half_life_ms != 0),
		number(numbers[4], w->path_max, w->path_max != 0),
		w->narrow < 0	 ? NULL
		: w->narrow == 1 ? "true"
				 : "false",
		m->direct,
	};
	bool added;
	const enum err e = add_row(pg, SQL_add_models, 7, params, SQL_list_models, 1, params,
				   &m->rules, &added);
	if (e != ERR_OK)
		return e;
	if (added)
		m->outcome = SETTINGS_DONE;
	else if (m->rules.n_models == 0)
		m->outcome = SETTINGS_TOO_MUCH;
	else
		m->outcome = is_wished(&m->rules.models[0], w, m->direct) ? SETTINGS_SAME
									  : SETTINGS_EXISTS;
	return ERR_OK;
}

/* Without a wished date the earliest one that is free. */
static enum err add(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	const bool is_window = m->op == SETTINGS_ADD_WINDOW;
	int64_t *from_ms = is_window ? &m->window.from_ms : &m->models.from_ms;
	const bool is_dated = *from_ms != SETTING_ALWAYS;
	enum err e = ERR_OK;
	m->limit_ms = settings_earliest_ms(cfg);
	if (is_dated && *from_ms < m->limit_ms) {
		m->outcome = SETTINGS_TOO_EARLY;
		return ERR_OK;
	}
	if (!is_dated)
		*from_ms = m->limit_ms;
	if (is_window && !touch_campaign(pg, m, &e))
		return e;
	for (int i = 0; i < TRIES; i++, (*from_ms)++) {
		e = is_window ? add_window(pg, m) : add_models(pg, m);
		if (e != ERR_OK || is_dated || m->outcome != SETTINGS_EXISTS)
			break;
	}
	return e;
}

/* Take away the row that a statement finds, if nothing can be booked by it. */
static enum err drop_row(struct pg *pg, const struct config *cfg, struct msg_settings *m,
			 int64_t from_ms, enum sql find, enum sql drop, int n,
			 const char *const *key)
{
	m->limit_ms = clock_wall_ms() + cfg->future_limit_ms + DROP_MARGIN_MS;
	const enum err e = rules_read(pg, find, n, key, &m->rules);
	if (e != ERR_OK)
		return e;
	m->outcome = m->rules.n_windows + m->rules.n_models == 0 ? SETTINGS_UNKNOWN
		     : from_ms < m->limit_ms			 ? SETTINGS_IN_USE
								 : SETTINGS_DONE;
	return m->outcome == SETTINGS_DONE ? pg_run(pg, drop, n, key, NULL) : ERR_OK;
}

static enum err drop_window(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	char id[UUID_TEXT_LEN + 1], from[NUMBER_MAX];
	const char *const key[] = {id, m->window.type, from};
	uuid_format(&m->window.campaign_id, id);
	snprintf(from, sizeof(from), "%" PRId64, m->window.from_ms);
	enum err e =
		drop_row(pg, cfg, m, m->window.from_ms, SQL_find_window, SQL_drop_window, 3, key);
	/* What is left of a campaign that was deleted by hand may go, too. */
	if (e == ERR_OK && m->outcome == SETTINGS_DONE && !touch_campaign(pg, m, &e) && e == ERR_OK)
		m->outcome = SETTINGS_DONE;
	return e;
}

static enum err drop_models(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	char from[NUMBER_MAX];
	const char *const key[] = {from};
	snprintf(from, sizeof(from), "%" PRId64, m->models.from_ms);
	return drop_row(pg, cfg, m, m->models.from_ms, SQL_list_models, SQL_drop_models, 1, key);
}

static enum err list(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	char ms[NUMBER_MAX], limit[NUMBER_MAX];
	const struct windows_filter *f = &m->filter;
	const char *const all[] = {NULL};
	snprintf(ms, sizeof(ms), "%" PRId64, f->behind_ms);
	snprintf(limit, sizeof(limit), "%" PRIu32, f->limit + 1);
	const char *const params[] = {f->campaign_id, f->type, f->behind_campaign,
				      f->behind_type, ms,      limit};
	m->limit_ms = settings_earliest_ms(cfg);
	m->outcome = SETTINGS_DONE;
	return m->op == SETTINGS_LIST_WINDOWS
		       ? rules_read(pg, SQL_list_windows, 6, params, &m->rules)
		       : rules_read(pg, SQL_list_models, 1, all, &m->rules);
}

/* Inside the transaction. */
static enum err change(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	if (m->op == SETTINGS_DROP_WINDOW)
		return drop_window(pg, cfg, m);
	if (m->op == SETTINGS_DROP_MODELS)
		return drop_models(pg, cfg, m);
	return add(pg, cfg, m);
}

static enum err change_in_transaction(struct pg *pg, const struct config *cfg,
				      struct msg_settings *m)
{
	enum err e = settings_begin(pg);
	if (e != ERR_OK)
		return e;
	e = change(pg, cfg, m);
	if (e == ERR_OK && m->outcome == SETTINGS_DONE)
		return pg_commit(pg);
	pg_rollback(pg);
	return e;
}

enum err settings_do(struct pg *pg, const struct config *cfg, struct msg_settings *m)
{
	const bool lists = m->op == SETTINGS_LIST_WINDOWS || m->op == SETTINGS_LIST_MODELS;
	const enum err e = lists ? list(pg, cfg, m) : change_in_transaction(pg, cfg, m);
	if (e != ERR_OK)
		m->outcome = SETTINGS_FAILED;
	return e;
}
