/*
 * Repairing piece by piece.
 *
 * Runs on main, in the tool reconcile.
 *
 * difference_note: sums are only ever changed by adding what an event changes, in the transaction
 * that changes the event tables. So sum minus recount is the same number at every commit, and
 * taking away at any later time what it was in the recount's snapshot makes the sum right: nothing
 * is scanned while the fence is locked. Two repairs of the same difference would break that, hence
 * the lock; so does a COMMIT of unknown outcome, which ends the repair, since only a new recount
 * can tell. A wrong attribution is judged anew under the lock, and books its difference as a writer
 * does. Journals are not added to but written anew from the buckets, by whoever follows the list.
 */
#include "store/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/changes.h"
#include "store/paths.h"
#include "store/statement.h"
#include "util/clock.h"

#define PIECE_ROWS "1000"
#define NUMBER_MAX 24
#define TRIES 5

enum kind { KIND_ATTRIBUTIONS, KIND_SUMS };

struct piece {
	enum kind kind;
	char shard[NUMBER_MAX], number[NUMBER_MAX], version[NUMBER_MAX];
	int64_t rows;
};

enum err repair_try_lock(struct pg *pg, bool *got)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_repair_try_lock, 0, NULL, &r);
	*got = e == ERR_OK && *PQgetvalue(r, 0, 0) == 't';
	PQclear(r);
	return e;
}

/* Lock the shard's fence row; the version that this transaction makes. */
static enum err lock_shard(struct pg *pg, struct piece *piece)
{
	const char *const shard[] = {piece->shard};
	PGresult *r = NULL;
	enum err e = pg_run(pg, SQL_repair_fence, 1, shard, NULL);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_repair_lock, 1, shard, &r);
	if (e == ERR_OK)
		snprintf(piece->version, NUMBER_MAX, "%" PRId64, pg_int(r, 0, 0) + 1);
	PQclear(r);
	return e;
}

static enum err book_changes(struct pg *pg, const struct paths *paths, const struct piece *piece)
{
	const int32_t shard = (int32_t)strtol(piece->shard, NULL, 10);
	struct changes changes = {0};
	struct pg_steps steps = {.n = 0};
	changes_clear(&changes, &paths->types);
	changes_add_cells(&changes, &paths->cells);
	changes_book(&changes, shard, strtoll(piece->version, NULL, 10), &steps);
	enum err e = pg_run_steps(pg, &steps);
	if (e == ERR_OK)
		e = changes_settle(&changes, pg, shard, &steps);
	pg_steps_clear(&steps);
	changes_release(&changes);
	return e;
}

static enum err mend_attributions(struct pg *pg, struct paths *paths, const struct piece *piece,
				  int64_t *changed)
{
	const char *const place[] = {piece->shard, piece->number};
	uint32_t stored, mended = 0;
	enum err e = paths_follow_rules(paths, pg);
	if (e == ERR_OK)
		e = paths_stage(paths, pg, SQL_repair_targets, 2, place);
	if (e == ERR_OK)
		e = paths_make(paths, pg);
	if (e == ERR_OK)
		e = paths_store(paths, pg, piece->shard, &stored, &mended);
	*changed = mended;
	if (e != ERR_OK)
		return e;
	paths_collect(paths);
	return book_changes(pg, paths, piece);
}

static enum err mend_sums(struct pg *pg, const struct piece *piece)
{
	static const enum sql steps[] = {SQL_repair_click_buckets, SQL_repair_conversion_buckets,
					 SQL_repair_day_shares, SQL_repair_empty_click_buckets,
					 SQL_repair_empty_conversion_buckets};
	const char *const place[] = {piece->shard, piece->number};
	const char *const listing[] = {piece->shard, piece->version, piece->number};
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(steps); i++)
		e = pg_run(pg, steps[i], 2, place, NULL);
	return e == ERR_OK ? pg_run(pg, SQL_repair_list, 3, listing, NULL) : e;
}

/* One piece, one transaction. */
static enum err mend_once(struct pg *pg, struct paths *paths, struct piece *piece,
			  struct repair_report *out)
{
	int64_t changed = 0;
	uint64_t locked_ns = 0;
	enum err e = pg_exec(pg, sql_text(SQL_repair_begin));
	if (e == ERR_OK)
		e = lock_shard(pg, piece);
	locked_ns = clock_mono_ns();
	if (e == ERR_OK)
		e = piece->kind == KIND_ATTRIBUTIONS ? mend_attributions(pg, paths, piece, &changed)
						     : mend_sums(pg, piece);
	const char *const advance[] = {piece->shard, piece->version};
	if (e == ERR_OK)
		e = pg_run(pg, SQL_repair_version, 2, advance, NULL);
	if (e == ERR_OK)
		e = pg_commit(pg);
	if (e != ERR_OK) {
		pg_rollback(pg);
		return e;
	}
	const uint64_t took_ns = clock_mono_ns() - locked_ns;
	out->longest_ns = took_ns > out->longest_ns ? took_ns : out->longest_ns;
	out->transactions++;
	out->attributions += changed;
	out->cells += piece->kind == KIND_SUMS ? piece->rows : 0;
	return ERR_OK;
}

/* Again after a deadlock or a lock that did not come; what is lost with a connection is lost. */
static enum err mend(struct pg *pg, struct paths *paths, struct piece *piece,
		     struct repair_report *out)
{
	enum err e;
	int tries = 0;
	do {
		e = mend_once(pg, paths, piece, out);
	} while ((e == ERR_RETRY || e == ERR_TIMEOUT) && ++tries < TRIES);
	return e;
}

static enum err cut(struct pg *pg)
{
	static const char *const rows[] = {PIECE_ROWS};
	const enum err e = pg_run(pg, SQL_repair_cut_differences, 1, rows, NULL);
	return e == ERR_OK ? pg_run(pg, SQL_repair_cut_attributions, 1, rows, NULL) : e;
}

enum err repair_differences(struct pg *pg, struct repair_report *out, repair_progress_fn *progress,
			    void *context)
{
	PGresult *r = NULL;
	int64_t done = 0, total = 0;
	struct paths paths = {0};
	*out = (struct repair_report){0};
	enum err e = cut(pg);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_repair_pieces, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	const int n = PQntuples(r);
	for (int i = 0; i < n; i++)
		total += pg_int(r, i, 3);
	for (int i = 0; e == ERR_OK && i < n; i++) {
		struct piece piece = {
			.kind = pg_int(r, i, 0) == 0 ? KIND_ATTRIBUTIONS : KIND_SUMS,
			.rows = pg_int(r, i, 3),
		};
		snprintf(piece.shard, NUMBER_MAX, "%s", PQgetvalue(r, i, 1));
		snprintf(piece.number, NUMBER_MAX, "%s", PQgetvalue(r, i, 2));
		e = mend(pg, &paths, &piece, out);
		done += piece.rows;
		progress(context, done, total);
	}
	PQclear(r);
	paths_release(&paths);
	return e;
}
