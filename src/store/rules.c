/*
 * From rows to rules.
 *
 * Runs on the writers, and on main in the tools.
 */
#include "store/rules.h"

#include <stdlib.h>
#include <string.h>

#include "store/statement.h"
#include "util/log.h"

/* The columns of rules.sql. */
enum { KIND, CAMPAIGN, TYPE, FROM, LENGTH, FIRST, LAST, PATH_MAX, NARROWED, DIRECT };

static void add_window(struct rules *rules, const PGresult *r, int row)
{
	struct window_rule w = {
		.type = pg_text(r, row, TYPE),
		.from_ms = pg_int_or(r, row, FROM, RULES_BEGINNING),
		.lookback_ms = pg_int_or(r, row, LENGTH, -1),
	};
	ASSERT(uuid_parse(PQgetvalue(r, row, CAMPAIGN), UUID_TEXT_LEN, &w.campaign_id));
	rules_add_window(rules, &w);
}

/* The models of one date stand in a row for each direct source; answers the row behind them. */
static int add_models(struct rules *rules, const PGresult *r, int row)
{
	struct model_rules m = {
		.from_ms = pg_int_or(r, row, FROM, RULES_BEGINNING),
		.half_life_ms = pg_int(r, row, LENGTH),
		.first_ppm = (int32_t)pg_int(r, row, FIRST),
		.last_ppm = (int32_t)pg_int(r, row, LAST),
		.path_max = (uint32_t)pg_int(r, row, PATH_MAX),
		.is_narrowed = *PQgetvalue(r, row, NARROWED) == 't',
		.direct = xcalloc((size_t)PQntuples(r), sizeof(*m.direct)),
	};
	for (; row < PQntuples(r) && pg_int_or(r, row, FROM, RULES_BEGINNING) == m.from_ms; row++) {
		if (!PQgetisnull(r, row, DIRECT))
			m.direct[m.n_direct++] = pg_text(r, row, DIRECT);
	}
	rules_add_models(rules, &m);
	free(m.direct);
	return row;
}

enum err rules_read(struct pg *pg, enum sql sql, int n, const char *const *params,
		    struct rules *rules)
{
	PGresult *r;
	const enum err e = pg_run(pg, sql, n, params, &r);
	if (e != ERR_OK)
		return e;
	rules_release(rules);
	for (int row = 0; row < PQntuples(r);) {
		if (pg_int(r, row, KIND) == 0)
			add_window(rules, r, row++);
		else
			row = add_models(rules, r, row);
	}
	PQclear(r);
	rules_sort(rules);
	return ERR_OK;
}

static enum err read_all(struct pg *pg, struct rules *rules)
{
	const enum err e = rules_read(pg, SQL_rules, 0, NULL, rules);
	if (e != ERR_OK || rules_are_complete(rules))
		return e;
	log_error("postgres", "attribution_windows or attribution_models has no row for all time: "
			      "`tyrattribution serve` makes them at its start");
	return ERR_FAILED;
}

enum err rules_follow_to(struct pg *pg, struct rules *rules, int64_t *revision, int64_t now)
{
	if (now == *revision)
		return ERR_OK;
	const enum err e = read_all(pg, rules);
	*revision = e == ERR_OK ? now : 0;
	return e;
}

enum err rules_revision(struct pg *pg, int64_t *out)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_attribution_revision, 0, NULL, &r);
	if (e == ERR_OK)
		*out = pg_int(r, 0, 0);
	PQclear(r);
	return e;
}

enum err rules_follow(struct pg *pg, struct rules *rules, int64_t *revision)
{
	int64_t now = 0;
	const enum err e = rules_revision(pg, &now);
	return e == ERR_OK ? rules_follow_to(pg, rules, revision, now) : e;
}
