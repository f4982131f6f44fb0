/*
 * Touch paths in a transaction.
 *
 * Runs on the writers, and on main in the tools.
 *
 * order_note: target_touches.sql answers target by target, the latest click first, which is how a
 * path is built. Where a target has more clicks than one answer holds, the others are asked for
 * page by page: a user may have any number of them, and they need not fit into memory.
 */
#include "store/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/path_rows.h"
#include "store/rules.h"
#include "store/statement.h"

#define PAGE 1000
#define PAGE_TEXT "1000"
#define NUMBER_MAX 24

/* The columns of stage_targets.sql. */
enum { T, BATCH_PLACE, ID, TIME, CAMPAIGN, SOURCE, TYPE, VALUE, NAMED, ADJUSTED, CANCELLED };

static struct text keep(struct paths *p, struct text t)
{
	return (struct text){arena_strndup(&p->arena, t.data, t.len), t.len};
}

static struct target *target_at(const struct paths *p, const PGresult *r, int row)
{
	const int64_t t = pg_int(r, row, CLICK_T);
	ASSERT(t >= 1 && t <= p->n);
	return &p->targets[t - 1];
}

enum err paths_follow_rules_to(struct paths *p, struct pg *pg, int64_t revision)
{
	const int64_t before = p->revision;
	enum err e = rules_follow_to(pg, &p->rules, &p->revision, revision);
	if (e == ERR_OK && p->revision != before)
		e = pending_read(&p->pending, pg);
	if (e != ERR_OK)
		p->revision = 0;
	return e;
}

enum err paths_follow_rules(struct paths *p, struct pg *pg)
{
	int64_t revision = 0;
	enum err e = row_types_learn(&p->types, pg);
	if (e == ERR_OK)
		e = rules_revision(pg, &revision);
	return e == ERR_OK ? paths_follow_rules_to(p, pg, revision) : e;
}

int64_t paths_longest_ms(const struct paths *p)
{
	const int64_t now = p->rules.longest_ms;
	const bool more = p->pending.state == PENDING_BUILDING && p->pending.rules.longest_ms > now;
	return more ? p->pending.rules.longest_ms : now;
}

static void read_target(struct paths *p, const PGresult *r, int row)
{
	struct target *t = &p->targets[pg_int(r, row, T) - 1];
	*t = (struct target){
		.conversion_id = pg_uuid(r, row, ID),
		.wish = {.time_ms = pg_int(r, row, TIME),
			 .campaign_id = pg_uuid(r, row, CAMPAIGN),
			 .source = keep(p, pg_text(r, row, SOURCE)),
			 .type = keep(p, pg_text(r, row, TYPE))},
		.value_minor = pg_int(r, row, VALUE),
		.names_click = !PQgetisnull(r, row, NAMED),
		.is_new = !PQgetisnull(r, row, BATCH_PLACE),
	};
	t->worth = path_row_worth(r, row, ADJUSTED, t->value_minor);
}

void paths_take(struct paths *p, const PGresult *staged)
{
	arena_clear(&p->arena);
	cells_clear(&p->cells);
	p->n = staged == NULL ? 0 : (uint32_t)PQntuples(staged);
	if (p->n > p->cap) {
		p->cap = p->n;
		p->targets = xrealloc(p->targets, p->cap * sizeof(*p->targets));
	}
	for (uint32_t i = 0; i < p->n; i++)
		read_target(p, staged, (int)i);
}

enum err paths_stage(struct paths *p, struct pg *pg, enum sql sql, int n, const char *const *params)
{
	PGresult *r;
	const enum err e = pg_run(pg, sql, n, params, &r);
	paths_take(p, r);
	PQclear(r);
	return e;
}

/* --- making --- */

static enum err read_named(struct paths *p, struct pg *pg)
{
	bool any = false;
	PGresult *r;
	for (uint32_t i = 0; i < p->n; i++)
		any = any || p->targets[i].names_click;
	if (!any)
		return ERR_OK;
	const enum err e = pg_run(pg, SQL_target_named, 0, NULL, &r);
	for (int row = 0; e == ERR_OK && row < PQntuples(r); row++) {
		struct target *t = target_at(p, r, row);
		t->named = path_row_touch(r, row, CLICK_ID);
		t->named.source = keep(p, t->named.source);
		t->wish.named = &t->named;
	}
	PQclear(r);
	return e;
}

/* The path of a target in the making, and the one that is prepared for it. */
struct builders {
	struct path_builder now, pending;
	bool both;
};

static void offer(struct builders *b, const struct touch *t)
{
	path_offer(&b->now, t);
	if (b->both)
		path_offer(&b->pending, t);
}

/* See order_note: the clicks of target number @t that come before @last. */
static enum err offer_more(struct paths *p, struct pg *pg, struct builders *b, uint32_t t,
			   struct touch last)
{
	char longest[NUMBER_MAX], number[NUMBER_MAX], id[UUID_TEXT_LEN + 1], at[NUMBER_MAX];
	const char *const params[] = {longest, PAGE_TEXT, number, id, at};
	int rows = PAGE;
	snprintf(longest, sizeof(longest), "%" PRId64, paths_longest_ms(p));
	snprintf(number, sizeof(number), "%" PRIu32, t);
	while (rows == PAGE) {
		PGresult *r;
		uuid_format(&last.click_id, id);
		snprintf(at, sizeof(at), "%" PRId64, last.time_ms);
		const enum err e = pg_run(pg, SQL_target_more_touches, 5, params, &r);
		if (e != ERR_OK)
			return e;
		rows = PQntuples(r);
		for (int row = 0; row < rows; row++) {
			last = path_row_touch(r, row, CLICK_ID);
			offer(b, &last);
		}
		PQclear(r);
	}
	return ERR_OK;
}

/* Build the path of a target from the rows of the answer that are its, from *@row on. */
static enum err build(struct paths *p, struct pg *pg, uint32_t i, const PGresult *r, int *row)
{
	struct target *t = &p->targets[i];
	struct builders b = {.both = pending_is_for(&p->pending, t->wish.time_ms)};
	struct touch touch = {0};
	int rows = 0;
	enum err e = ERR_OK;
	path_begin(&b.now, &t->wish, &p->rules, &p->arena);
	if (b.both)
		path_begin(&b.pending, &t->wish, &p->pending.rules, &p->arena);
	for (; *row < PQntuples(r) && target_at(p, r, *row) == t; (*row)++, rows++) {
		touch = path_row_touch(r, *row, CLICK_ID);
		offer(&b, &touch);
	}
	if (rows == PAGE)
		e = offer_more(p, pg, &b, i + 1, touch);
	path_end(&b.now, &t->now);
	if (b.both)
		path_end(&b.pending, &t->pending);
	return e;
}

static enum err build_all(struct paths *p, struct pg *pg)
{
	char longest[NUMBER_MAX];
	const char *const params[] = {longest, PAGE_TEXT};
	int row = 0;
	PGresult *r;
	snprintf(longest, sizeof(longest), "%" PRId64, paths_longest_ms(p));
	enum err e = pg_run(pg, SQL_target_touches, 2, params, &r);
	for (uint32_t i = 0; e == ERR_OK && i < p->n; i++)
		e = build(p, pg, i, r, &row);
	PQclear(r);
	return e;
}

/* Where the rows of a target end that begin at @first. */
static int rows_end(const struct paths *p, const PGresult *r, int first)
{
	const struct target *t = target_at(p, r, first);
	int end = first;
	while (end < PQntuples(r) && target_at(p, r, end) == t)
		end++;
	return end;
}

/* The stored path of a target from the rows that are its, from *@row on. */
static void read_path(struct paths *p, const PGresult *r, int *row)
{
	struct target *t = target_at(p, r, *row);
	const int first = *row;
	*row = rows_end(p, r, first);
	path_rows_read(r, first, *row, &p->arena, &t->old);
	t->old_worth = path_row_worth(r, first, PATH_ADJUSTED, t->value_minor);
	t->is_torn = path_row_is_torn(r, first, &t->old);
}

/* What is prepared already for the targets. */
static enum err read_pending(struct paths *p, struct pg *pg)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_target_recomputed_paths, 0, NULL, &r);
	for (int row = 0, end; e == ERR_OK && row < PQntuples(r); row = end) {
		struct target *t = target_at(p, r, row);
		end = rows_end(p, r, row);
		path_rows_read(r, row, end, &p->arena, &t->pending_old);
		t->has_pending_old = true;
	}
	PQclear(r);
	return e;
}

static enum err read_paths(struct paths *p, struct pg *pg)
{
	bool any = false;
	PGresult *r;
	for (uint32_t i = 0; i < p->n; i++) {
		p->targets[i].old.last = -1;
		any = any || !p->targets[i].is_new;
	}
	if (!any)
		return ERR_OK;
	enum err e = pg_run(pg,
			    p->pending.state == PENDING_FOLDING ? SQL_target_counted_paths
								: SQL_target_paths,
			    0, NULL, &r);
	for (int row = 0; e == ERR_OK && row < PQntuples(r);)
		read_path(p, r, &row);
	PQclear(r);
	if (e == ERR_OK && p->pending.state == PENDING_BUILDING)
		e = read_pending(p, pg);
	return e;
}

enum err paths_make(struct paths *p, struct pg *pg)
{
	if (p->n == 0)
		return ERR_OK;
	enum err e = read_named(p, pg);
	if (e == ERR_OK)
		e = build_all(p, pg);
	if (e == ERR_OK)
		e = read_paths(p, pg);
	for (uint32_t i = 0; e == ERR_OK && i < p->n; i++) {
		struct target *t = &p->targets[i];
		t->is_passed = !t->is_new && !t->is_torn && path_is_equal(&t->old, &t->now) &&
			       worth_is_equal(t->old_worth, t->worth);
	}
	return e;
}

/* --- storing --- */

/* New conversions that another shard has stored meanwhile are passed. */
static void pass_others(struct paths *p, const PGresult *r)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct target *t = &p->targets[i];
		bool stored = !t->is_new;
		for (int row = 0; !stored && row < PQntuples(r); row++) {
			const struct uuid id = pg_uuid(r, row, 0);
			stored = pg_int(r, row, 1) == t->wish.time_ms &&
				 uuid_is_equal(&id, &t->conversion_id);
		}
		t->is_passed = t->is_passed || !stored;
	}
}

static enum err store_new(struct paths *p, struct pg *pg, const char *shard, uint32_t wanted,
			  uint32_t *stored)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_store_conversions, 1, &shard, &r);
	if (e != ERR_OK)
		return e;
	*stored = (uint32_t)PQntuples(r);
	if (*stored < wanted)
		pass_others(p, r);
	PQclear(r);
	return ERR_OK;
}

enum err paths_copy(const struct paths *p, struct pg *pg, uint32_t *new, uint32_t *changed)
{
	struct buf rows = BUF_INIT;
	*new = *changed = 0;
	for (uint32_t i = 0; i < p->n; i++) {
		const struct target *t = &p->targets[i];
		if (t->is_passed)
			continue;
		path_row_copy(&rows, i + 1, &t->now);
		*new += t->is_new;
		*changed += !t->is_new;
	}
	const enum err e = rows.len > 0 ? pg_copy_in(pg, SQL_copy_paths, &rows, NULL) : ERR_OK;
	buf_release(&rows);
	return e;
}

enum err paths_store(struct paths *p, struct pg *pg, const char *shard, uint32_t *stored,
		     uint32_t *changed)
{
	uint32_t new;
	enum err e = paths_copy(p, pg, &new, changed);
	*stored = 0;
	if (e == ERR_OK && new > 0)
		e = store_new(p, pg, shard, new, stored);
	if (e == ERR_OK && *changed > 0)
		e = pg_run(pg, SQL_change_paths, 0, NULL, NULL);
	if (e == ERR_OK && *changed > 0 && p->pending.state == PENDING_FOLDING)
		e = pg_run(pg, SQL_drop_folded_paths, 0, NULL, NULL);
	return e;
}

/* --- booking --- */

void paths_collect(struct paths *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct target *t = &p->targets[i];
		if (t->is_passed)
			continue;
		cells_book(&p->cells, &t->wish, &t->now, t->worth, 1);
		if (!t->is_new)
			cells_book(&p->cells, &t->wish, &t->old, t->old_worth, -1);
	}
}

void paths_release(struct paths *p)
{
	rules_release(&p->rules);
	arena_release(&p->arena);
	cells_release(&p->cells);
	pending_release(&p->pending);
	free(p->targets);
	*p = (struct paths){0};
}
