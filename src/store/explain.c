/*
 * Explanations from PostgreSQL.
 *
 * Runs on the query actors. The clicks of a user are read page by page, and only those that are
 * listed are kept, so that it does not matter how many there are.
 */
#include "store/explain.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/path_rows.h"
#include "store/rules.h"
#include "store/statement.h"
#include "util/clock.h"

#define PAGE 1000
#define PAGE_TEXT "1000"
#define NUMBER_MAX 24

/* The columns of explain_conversions.sql: those of target_paths.sql, the conversion's time in the
 * place of the target, and what else the conversion is. */
enum { TIME = CLICK_T, USER = PATH_CANCELLED + 1, CAMPAIGN, SOURCE, TYPE, VALUE, NAMED, FOUND };

/* The columns of a click in the other statements. */
enum { PAGE_CLICK, PAGE_IS_OWN = 4 };

static struct text keep(struct arena *a, struct text t)
{
	return (struct text){arena_strndup(a, t.data, t.len), t.len};
}

/* --- what is stored --- */

static void read_conversion(struct arena *a, const PGresult *r, int first, int end,
			    struct explained *out)
{
	*out = (struct explained){
		.wish = {.time_ms = pg_int(r, first, TIME),
			 .campaign_id = pg_uuid_or_nil(r, first, CAMPAIGN),
			 .source = keep(a, pg_text(r, first, SOURCE)),
			 .type = keep(a, pg_text(r, first, TYPE))},
		.user_id = pg_uuid_or_nil(r, first, USER),
		.value_minor = pg_int(r, first, VALUE),
		.named_fate = PQgetisnull(r, first, NAMED) ? NAMED_NONE : NAMED_UNKNOWN_CLICK,
	};
	out->worth = path_row_worth(r, first, PATH_ADJUSTED, out->value_minor);
	if (out->named_fate != NAMED_NONE)
		out->named_click_id = pg_uuid_or_nil(r, first, NAMED);
	path_rows_read(r, first, end, a, &out->stored);
	if (out->stored.extras > out->stored.n)
		out->stored.extras = out->stored.n;
	out->is_torn = path_row_is_torn(r, first, &out->stored);
}

static void read_conversions(struct explanation *e, const PGresult *r)
{
	const int rows = PQntuples(r);
	e->items = xcalloc(EXPLAIN_CONVERSIONS_MAX, sizeof(*e->items));
	for (int first = 0, end; first < rows; first = end) {
		const int64_t time_ms = pg_int(r, first, TIME);
		for (end = first + 1; end < rows && pg_int(r, end, TIME) == time_ms; end++)
			;
		ASSERT(e->n < EXPLAIN_CONVERSIONS_MAX);
		read_conversion(&e->arena, r, first, end, &e->items[e->n++]);
		e->found = pg_int(r, first, FOUND);
	}
}

static enum err load_conversions(struct pg *pg, struct explanation *e)
{
	char id[UUID_TEXT_LEN + 1], most[NUMBER_MAX];
	const char *const params[] = {id, most};
	PGresult *r;
	uuid_format(&e->id, id);
	snprintf(most, sizeof(most), "%d", EXPLAIN_CONVERSIONS_MAX);
	const enum err err = pg_run(pg, SQL_explain_conversions, 2, params, &r);
	if (err == ERR_OK)
		read_conversions(e, r);
	PQclear(r);
	return err;
}

/* --- the user's clicks --- */

/* A conversion whose clicks are read. */
struct reading {
	struct pg *pg;
	struct arena *arena;
	struct explained *c;
	char user[UUID_TEXT_LEN + 1];
	char time[NUMBER_MAX];
	uint64_t until_ns;
};

static enum err read_named(const struct reading *g)
{
	char id[UUID_TEXT_LEN + 1];
	const char *const params[] = {id, g->user, g->time};
	struct explained *c = g->c;
	PGresult *r;
	if (c->named_fate == NAMED_NONE)
		return ERR_OK;
	uuid_format(&c->named_click_id, id);
	const enum err err = pg_run(g->pg, SQL_explain_named, 3, params, &r);
	if (err == ERR_OK && PQntuples(r) == 1) {
		c->named = path_row_touch(r, 0, PAGE_CLICK);
		c->named.source = keep(g->arena, c->named.source);
		c->named_fate = *PQgetvalue(r, 0, PAGE_IS_OWN) != 't' ? NAMED_OTHER_USER
				: c->named.time_ms > c->wish.time_ms  ? NAMED_AFTER
								      : NAMED_FOUND;
		if (c->named_fate == NAMED_FOUND)
			c->wish.named = &c->named;
	}
	PQclear(r);
	return err;
}

static enum err read_before(const struct reading *g, struct explainer *x)
{
	char time[NUMBER_MAX], id[UUID_TEXT_LEN + 1];
	const char *const params[] = {g->user, time, id, PAGE_TEXT};
	struct touch last = {.time_ms = g->c->wish.time_ms + 1};
	int rows = PAGE;
	while (rows == PAGE && explain_wants(x)) {
		PGresult *r;
		snprintf(time, sizeof(time), "%" PRId64, last.time_ms);
		uuid_format(&last.click_id, id);
		if (clock_mono_ns() > g->until_ns)
			return ERR_TIMEOUT;
		const enum err err = pg_run(g->pg, SQL_explain_clicks, 4, params, &r);
		if (err != ERR_OK)
			return err;
		rows = PQntuples(r);
		for (int row = 0; row < rows && explain_wants(x); row++) {
			last = path_row_touch(r, row, PAGE_CLICK);
			explain_offer(x, &last);
		}
		PQclear(r);
	}
	return ERR_OK;
}

static enum err read_after(const struct reading *g, struct explainer *x)
{
	char most[NUMBER_MAX];
	const char *const params[] = {g->user, g->time, most};
	PGresult *r;
	snprintf(most, sizeof(most), "%d", EXPLAIN_LATER_MAX);
	const enum err err = pg_run(g->pg, SQL_explain_later_clicks, 3, params, &r);
	for (int row = 0; err == ERR_OK && row < PQntuples(r); row++) {
		const struct touch touch = path_row_touch(r, row, PAGE_CLICK);
		explain_offer_later(x, &touch);
	}
	PQclear(r);
	return err;
}

static enum err settle(const struct reading *g, struct explainer *x)
{
	const char *const params[] = {g->user, g->time};
	PGresult *r;
	const enum err err = pg_run(g->pg, SQL_explain_counts, 2, params, &r);
	if (err == ERR_OK)
		explain_end(x, pg_int(r, 0, 0), pg_int(r, 0, 1));
	PQclear(r);
	return err;
}

static enum err explain(struct pg *pg, const struct rules *rules, struct explanation *e,
			struct explained *c, uint64_t until_ns)
{
	struct explainer x;
	struct reading g = {.pg = pg, .arena = &e->arena, .c = c, .until_ns = until_ns};
	uuid_format(&c->user_id, g.user);
	snprintf(g.time, sizeof(g.time), "%" PRId64, c->wish.time_ms);
	enum err err = read_named(&g);
	explain_begin(&x, c, rules, e->limit, &e->arena);
	if (err == ERR_OK)
		err = read_before(&g, &x);
	if (err == ERR_OK)
		err = read_after(&g, &x);
	return err == ERR_OK ? settle(&g, &x) : err;
}

static enum err read_all(struct pg *pg, struct explain_rules *rules, struct explanation *e,
			 uint64_t until_ns)
{
	enum err err = rules_follow(pg, &rules->rules, &rules->revision);
	if (err == ERR_OK)
		err = load_conversions(pg, e);
	for (uint32_t i = 0; err == ERR_OK && i < e->n; i++)
		err = explain(pg, &rules->rules, e, &e->items[i], until_ns);
	return err;
}

enum err explain_answer(struct pg *pg, struct explain_rules *rules, struct explanation *e,
			uint64_t until_ns)
{
	enum err err = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	if (err == ERR_OK)
		err = read_all(pg, rules, e, until_ns);
	if (err == ERR_OK)
		err = pg_exec(pg, "COMMIT");
	if (err == ERR_OK)
		e->status = e->n > 0 ? EXPLAIN_OK : EXPLAIN_UNKNOWN;
	else
		pg_rollback(pg);
	return err;
}

void explain_rules_release(struct explain_rules *rules)
{
	rules_release(&rules->rules);
}
