/*
 * Explanations from PostgreSQL.
 *
 * Runs on the query actors. The clicks of a user are read page by page, and only those that are
 * listed are kept, so that it does not matter how many there are.
 */
#include "store/explain.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/rules.h"
#include "store/statement.h"
#include "util/clock.h"

#define PAGE 1000
#define PAGE_TEXT "1000"
#define NUMBER_MAX 24

/* The columns of explain_conversions.sql. */
enum {
	TIME,
	USER,
	CAMPAIGN,
	SOURCE,
	TYPE,
	VALUE,
	NAMED,
	EXTRAS,
	BEYOND,
	TOUCH, /* where the columns of a click begin, as below */
	CREDITS = TOUCH + 4,
	LAST_ID = CREDITS + MODELS,
	LAST_TIME,
	FOUND,
	ADJUSTED,
	CANCELLED,
};

/* The columns of a click, from some column on. */
enum { CLICK_ID, CLICK_TIME, CLICK_CAMPAIGN, CLICK_SOURCE, CLICK_IS_OWN };

static struct uuid uuid_at(const PGresult *r, int row, int col)
{
	struct uuid id = {{0}}; /* what stands in a path could be anything, even nothing */
	(void)!uuid_parse(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col), &id);
	return id;
}

static struct text text_at(const PGresult *r, int row, int col)
{
	return (struct text){PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col)};
}

static struct text keep(struct arena *a, struct text t)
{
	return (struct text){arena_strndup(a, t.data, t.len), t.len};
}

/* Borrows the source from the result. */
static struct touch touch_at(const PGresult *r, int row, int col)
{
	return (struct touch){uuid_at(r, row, col + CLICK_ID), pg_int(r, row, col + CLICK_TIME),
			      uuid_at(r, row, col + CLICK_CAMPAIGN),
			      text_at(r, row, col + CLICK_SOURCE)};
}

/* --- what is stored --- */

/* Is the last click that is stored beside the path another one than the path credits? */
static bool is_torn(const struct path *p, const PGresult *r, int row)
{
	const bool has_last = !PQgetisnull(r, row, LAST_ID) && !PQgetisnull(r, row, LAST_TIME);
	if (p->last < 0 || !has_last)
		return p->last >= 0 || !PQgetisnull(r, row, LAST_ID);
	const struct uuid id = uuid_at(r, row, LAST_ID);
	const struct touch *last = &p->touches[p->last];
	return !uuid_is_equal(&id, &last->click_id) || pg_int(r, row, LAST_TIME) != last->time_ms;
}

/* The path in the rows from @first to before @end. */
static void read_path(struct arena *a, const PGresult *r, int first, int end, struct path *out)
{
	out->n = PQgetisnull(r, first, TOUCH) ? 0 : (uint32_t)(end - first);
	out->extras = (uint32_t)pg_int(r, first, EXTRAS);
	out->beyond = (uint32_t)pg_int(r, first, BEYOND);
	out->last = -1;
	out->touches = arena_alloc(a, (out->n + 1) * sizeof(*out->touches));
	out->credits = arena_alloc(a, MODELS * (out->n + 1) * sizeof(*out->credits));
	for (uint32_t i = 0; i < out->n; i++) {
		const int row = first + (int)i;
		out->touches[i] = touch_at(r, row, TOUCH);
		out->touches[i].source = keep(a, out->touches[i].source);
		for (int m = 0; m < MODELS; m++)
			out->credits[(uint32_t)m * out->n + i] =
				(int32_t)pg_int(r, row, CREDITS + m);
		if (out->credits[MODEL_LAST_CLICK * out->n + i] > 0)
			out->last = (int32_t)i;
	}
	if (out->extras > out->n)
		out->extras = out->n;
}

static void read_conversion(struct arena *a, const PGresult *r, int first, int end,
			    struct explained *out)
{
	*out = (struct explained){
		.wish = {.time_ms = pg_int(r, first, TIME),
			 .campaign_id = uuid_at(r, first, CAMPAIGN),
			 .source = keep(a, text_at(r, first, SOURCE)),
			 .type = keep(a, text_at(r, first, TYPE))},
		.user_id = uuid_at(r, first, USER),
		.value_minor = pg_int(r, first, VALUE),
		.named_fate = PQgetisnull(r, first, NAMED) ? NAMED_NONE : NAMED_UNKNOWN_CLICK,
	};
	out->worth = (struct worth){
		.value_minor = PQgetisnull(r, first, ADJUSTED) ? out->value_minor
							       : pg_int(r, first, ADJUSTED),
		.is_adjusted = !PQgetisnull(r, first, ADJUSTED),
		.is_cancelled = *PQgetvalue(r, first, CANCELLED) == 't',
	};
	if (out->named_fate != NAMED_NONE)
		out->named_click_id = uuid_at(r, first, NAMED);
	read_path(a, r, first, end, &out->stored);
	out->is_torn = is_torn(&out->stored, r, first);
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
		c->named = touch_at(r, 0, 0);
		c->named.source = keep(g->arena, c->named.source);
		c->named_fate = *PQgetvalue(r, 0, CLICK_IS_OWN) != 't' ? NAMED_OTHER_USER
				: c->named.time_ms > c->wish.time_ms   ? NAMED_AFTER
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
			last = touch_at(r, row, 0);
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
		const struct touch touch = touch_at(r, row, 0);
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
