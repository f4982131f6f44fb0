/*
 * Keeping right what a recompute prepares.
 *
 * Runs on the writers, and on main in the tools.
 *
 * sum_note: what is prepared for a conversion adds to the sums what its new path books less what
 * the path that counts books, or nothing where both are the same. Whenever either path or the worth
 * changes, what was added before is taken back and added anew, so it does not matter who comes
 * first, the recompute or a late click.
 */
#include "store/pending.h"

#include <inttypes.h>
#include <string.h>

#include "store/copy_rows.h"
#include "store/path_rows.h"
#include "store/paths.h"
#include "store/rules.h"
#include "store/statement.h"

enum pending_state pending_state_of(const char *word)
{
	return strcmp(word, "building") == 0  ? PENDING_BUILDING
	       : strcmp(word, "folding") == 0 ? PENDING_FOLDING
					      : PENDING_NONE;
}

enum err pending_look(struct pg *pg, enum pending_state *out)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_recompute_state, 0, NULL, &r);
	if (e == ERR_OK)
		*out = pending_state_of(PQgetvalue(r, 0, 0));
	PQclear(r);
	return e;
}

enum err pending_read(struct pending *p, struct pg *pg)
{
	PGresult *r;
	enum err e = pg_run(pg, SQL_recompute_state, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	p->state = pending_state_of(PQgetvalue(r, 0, 0));
	p->from_ms = PQgetisnull(r, 0, 1) ? RULES_BEGINNING : pg_int(r, 0, 1);
	PQclear(r);
	if (p->state == PENDING_BUILDING)
		return rules_read(pg, SQL_recompute_rules, 0, NULL, &p->rules);
	rules_release(&p->rules);
	return ERR_OK;
}

bool pending_is_for(const struct pending *p, int64_t time_ms)
{
	return p->state == PENDING_BUILDING && time_ms >= p->from_ms;
}

/* What there is of a target, before and after the transaction. */
struct both {
	const struct path *before, *after; /* that count; before is NULL for a new conversion */
	struct worth worth_before, worth_after;
	bool was_other, is_other; /* is the prepared path another one? */
};

static struct both both_of(const struct target *t)
{
	struct both b = {.before = t->is_new ? NULL : &t->old,
			 .after = t->is_passed ? &t->old : &t->now,
			 .worth_before = t->old_worth,
			 .worth_after = t->is_passed ? t->old_worth : t->worth,
			 .was_other = t->has_pending_old};
	b.is_other = !path_is_equal(b.after, &t->pending);
	return b;
}

/* Is everything as it was? */
static bool is_kept(const struct target *t, const struct both *b)
{
	return b->before != NULL && path_is_equal(b->before, b->after) &&
	       worth_is_equal(b->worth_before, b->worth_after) && b->was_other == b->is_other &&
	       (!b->is_other || path_is_equal(&t->pending_old, &t->pending));
}

/* See sum_note. */
static void add_cells(struct cells *cells, const struct target *t, const struct both *b)
{
	if (b->was_other) {
		cells_book(cells, &t->wish, &t->pending_old, b->worth_before, -1);
		cells_book(cells, &t->wish, b->before, b->worth_before, 1);
	}
	if (b->is_other) {
		cells_book(cells, &t->wish, &t->pending, b->worth_after, 1);
		cells_book(cells, &t->wish, b->after, b->worth_after, -1);
	}
}

/* What the statements take. */
struct rows {
	struct buf dropped; /* an array of targets */
	struct buf paths, cells;
	uint32_t n_cells;
};

static void add_target(struct paths *p, uint32_t i, struct rows *rows)
{
	const struct target *t = &p->targets[i];
	if (!pending_is_for(&p->pending, t->wish.time_ms) || (t->is_new && t->is_passed))
		return;
	const struct both b = both_of(t);
	if (is_kept(t, &b))
		return;
	add_cells(&p->pending.cells, t, &b);
	if (b.was_other)
		buf_addf(&rows->dropped, "%c%" PRIu32, rows->dropped.len == 0 ? '{' : ',', i + 1);
	if (b.is_other)
		path_row_copy(&rows->paths, i + 1, &t->pending);
}

static void collect(struct paths *p, struct rows *rows)
{
	const struct cell *cell;
	uint32_t at = 0;
	cells_clear(&p->pending.cells);
	for (uint32_t i = 0; i < p->n; i++)
		add_target(p, i, rows);
	rows_begin(&rows->cells, p->types.of[ROW_DELTA]);
	while ((cell = cells_next(&p->pending.cells, &at)) != NULL) {
		cell_row_add(&rows->cells, cell);
		rows->n_cells++;
	}
	rows_end(&rows->cells, rows->n_cells);
	if (rows->dropped.len > 0)
		buf_addc(&rows->dropped, '}');
}

static enum err book(struct pg *pg, const char *shard, const struct rows *rows)
{
	static const enum sql sums[] = {SQL_book_recompute_buckets, SQL_book_recompute_days};
	struct pg_steps steps = {.n = 0};
	for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
		struct pg_step *step = pg_step_add(&steps, sums[i]);
		pg_step_text(step, shard);
		pg_step_bytes(step, &rows->cells);
	}
	const enum err e = pg_run_steps(pg, &steps);
	pg_steps_clear(&steps);
	return e;
}

static enum err store(struct pg *pg, const char *shard, const struct rows *rows)
{
	const char *const dropped[] = {rows->dropped.data};
	enum err e = pg_run(pg, SQL_recompute_unstage, 0, NULL, NULL);
	if (e == ERR_OK && rows->dropped.len > 0)
		e = pg_run(pg, SQL_drop_recompute_paths, 1, dropped, NULL);
	if (e == ERR_OK && rows->paths.len > 0)
		e = pg_copy_in(pg, SQL_copy_paths, &rows->paths, NULL);
	if (e == ERR_OK && rows->paths.len > 0)
		e = pg_run(pg, SQL_store_recompute_paths, 1, &shard, NULL);
	return e == ERR_OK && rows->n_cells > 0 ? book(pg, shard, rows) : e;
}

enum err pending_keep(struct paths *paths, struct pg *pg, const char *shard)
{
	struct rows rows = {BUF_INIT, BUF_INIT, BUF_INIT, 0};
	enum err e = ERR_OK;
	if (paths->pending.state != PENDING_BUILDING)
		return ERR_OK;
	collect(paths, &rows);
	if (rows.dropped.len + rows.paths.len + rows.n_cells > 0)
		e = store(pg, shard, &rows);
	buf_release(&rows.dropped);
	buf_release(&rows.paths);
	buf_release(&rows.cells);
	return e;
}

void pending_release(struct pending *p)
{
	rules_release(&p->rules);
	cells_release(&p->cells);
}
