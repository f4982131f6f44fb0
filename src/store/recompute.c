/*
 * Recomputing history.
 *
 * Runs on main, in the tool recompute.
 *
 * begin_note: a writer's transaction that began before the recompute knows nothing of it. So every
 * shard is held for a moment, which waits for these, before the conversions are listed: what is
 * stored later is kept right by the writers themselves, listed or not.
 */
#include "store/recompute.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/paths.h"
#include "store/statement.h"

#define PIECE_ROWS "1000"
#define FOLD_PATHS "1000"
#define FOLD_BUCKETS "2000"
#define NIL "00000000-0000-0000-0000-000000000000"
#define KEY_MAX 64 /* a UUID or a time, as text */
#define TRIES 10

/* One transaction, as often as it takes; @what is run in it. */
typedef enum err step_fn(struct pg *pg, void *context);

static enum err once(struct pg *pg, step_fn *what, void *context)
{
	enum err e = pg_ready(pg);
	if (e == ERR_OK)
		e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = what(pg, context);
	if (e == ERR_OK)
		return pg_commit(pg);
	pg_rollback(pg);
	return e;
}

static enum err in_transaction(struct pg *pg, step_fn *what, void *context)
{
	enum err e;
	int tries = 0;
	do {
		e = once(pg, what, context);
	} while ((e == ERR_RETRY || e == ERR_TIMEOUT) && ++tries < TRIES);
	return e;
}

/* All but how much is left. */
static enum err read_state(struct pg *pg, struct recompute_status *out)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_recompute_state, 0, NULL, &r);
	*out = (struct recompute_status){.state = PENDING_NONE};
	if (e != ERR_OK)
		return e;
	out->state = pending_state_of(PQgetvalue(r, 0, 0));
	out->is_listed = pg_int(r, 0, 2) > 0;
	out->total = out->is_listed ? pg_int(r, 0, 2) - 1 : 0;
	snprintf(out->description, sizeof(out->description), "%s", PQgetvalue(r, 0, 3));
	PQclear(r);
	return ERR_OK;
}

static int64_t rows_left(const PGresult *pieces)
{
	int64_t left = 0;
	for (int i = 0; i < PQntuples(pieces); i++)
		left += pg_int(pieces, i, 2);
	return left;
}

enum err recompute_status(struct pg *pg, struct recompute_status *out)
{
	PGresult *r = NULL;
	enum err e = read_state(pg, out);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_recompute_pieces, 0, NULL, &r);
	if (e == ERR_OK)
		out->left = rows_left(r);
	PQclear(r);
	return e;
}

enum err recompute_try(struct pg *pg)
{
	const enum err e = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ");
	return e == ERR_OK ? pg_exec(pg, sql_text(SQL_recompute_try)) : e;
}

/* --- beginning --- */

static enum err prepare(struct pg *pg, void *context)
{
	const struct recompute_wish *w = context;
	const char *const window[] = {w->campaign, w->type, w->from, w->window_s};
	const char *const models[] = {w->from,	   w->first_ppm, w->last_ppm,	   w->half_life_s,
				      w->path_max, w->narrow,	 w->direct_sources};
	const char *const begin[] = {w->from, w->description};
	PGresult *r;
	enum err e = pg_run(pg, SQL_recompute_begin, 2, begin, &r);
	if (e != ERR_OK)
		return e;
	const bool is_free = PQntuples(r) == 1;
	PQclear(r);
	if (!is_free)
		return ERR_BUSY;
	if (w->window_s != NULL)
		e = pg_run(pg, SQL_recompute_window, 4, window, NULL);
	if (e == ERR_OK && w->has_models)
		e = pg_run(pg, SQL_recompute_model, 7, models, NULL);
	return e;
}

enum err recompute_begin(struct pg *pg, const struct recompute_wish *wish, bool dry_run)
{
	struct recompute_wish w = *wish;
	return dry_run ? prepare(pg, &w) : in_transaction(pg, prepare, &w);
}

/* --- building --- */

static enum err hold(struct pg *pg, void *shard)
{
	const char *const params[] = {shard};
	return pg_run(pg, SQL_recompute_hold, 1, params, NULL);
}

/* See begin_note. */
static enum err pass_all_shards(struct pg *pg)
{
	PGresult *r;
	enum err e = pg_run(pg, SQL_recompute_shards, 0, NULL, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++)
		e = in_transaction(pg, hold, PQgetvalue(r, i, 0));
	PQclear(r);
	return e;
}

static enum err list(struct pg *pg, void *unused)
{
	static const char *const rows[] = {PIECE_ROWS};
	(void)unused;
	enum err e = pg_exec(pg, "SET LOCAL enable_seqscan = on");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_recompute_list, 1, rows, NULL);
	return e == ERR_OK ? pg_exec(pg, "SET LOCAL enable_seqscan = off") : e;
}

static enum err list_all(struct pg *pg, bool dry_run)
{
	struct recompute_status status;
	enum err e = read_state(pg, &status);
	if (e != ERR_OK || status.is_listed)
		return e;
	if (dry_run)
		return list(pg, NULL);
	e = pass_all_shards(pg);
	return e == ERR_OK ? in_transaction(pg, list, NULL) : e;
}

struct piece {
	const char *shard, *number;
	struct paths *paths;
	bool dry_run; /* nothing is held */
};

/* What a piece of conversions gets; what counts now is left alone. */
static enum err build(struct pg *pg, void *context)
{
	const struct piece *piece = context;
	const char *const place[] = {piece->shard, piece->number};
	struct paths *paths = piece->paths;
	enum err e = piece->dry_run ? ERR_OK : hold(pg, (void *)(uintptr_t)piece->shard);
	if (e == ERR_OK)
		e = paths_follow_rules(paths, pg);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_recount_next, 0, NULL, NULL);
	if (e == ERR_OK)
		e = paths_stage(paths, pg, SQL_recompute_targets, 2, place);
	if (e == ERR_OK)
		e = paths_make(paths, pg);
	for (uint32_t i = 0; i < paths->n; i++)
		paths->targets[i].is_passed = true;
	if (e == ERR_OK)
		e = pending_keep(paths, pg, piece->shard);
	return e == ERR_OK ? pg_run(pg, SQL_recompute_done, 2, place, NULL) : e;
}

enum err recompute_build(struct pg *pg, bool dry_run, recompute_progress_fn *progress,
			 void *context)
{
	struct recompute_status status = {0};
	struct paths paths = {0};
	PGresult *r = NULL;
	enum err e = list_all(pg, dry_run);
	if (e == ERR_OK)
		e = read_state(pg, &status);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_recompute_pieces, 0, NULL, &r);
	int64_t done = status.total - (e == ERR_OK ? rows_left(r) : 0);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
		struct piece piece = {PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), &paths, dry_run};
		progress(context, "building", done, status.total);
		e = dry_run ? build(pg, &piece) : in_transaction(pg, build, &piece);
		done += pg_int(r, i, 2);
	}
	if (e == ERR_OK)
		progress(context, "building", done, status.total);
	PQclear(r);
	paths_release(&paths);
	return e;
}

enum err recompute_changes(struct pg *pg, recompute_change_fn *each, void *context,
			   int64_t *conversions)
{
	PGresult *r;
	enum err e = pg_run(pg, SQL_recompute_count, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	*conversions = pg_int(r, 0, 0);
	PQclear(r);
	e = pg_run(pg, SQL_recompute_changes, 0, NULL, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
		const struct recompute_change change = {
			.day = PQgetvalue(r, i, 0),
			.campaign = PQgetvalue(r, i, 1),
			.model = PQgetvalue(r, i, 2),
			.credit = pg_int(r, i, 3),
			.value_minor = PQgetvalue(r, i, 4),
			.unattributed = pg_int(r, i, 5),
			.unattributed_value_minor = PQgetvalue(r, i, 6),
		};
		each(context, &change);
	}
	PQclear(r);
	return e;
}

/* --- switching and folding --- */

static enum err switch_over(struct pg *pg, void *unused)
{
	static const enum sql steps[] = {SQL_switch_lock,     SQL_switch_versions,
					 SQL_switch_journals, SQL_switch_list,
					 SQL_switch_shares,   SQL_switch_windows,
					 SQL_switch_models,   SQL_switch_over};
	enum err e = ERR_OK;
	(void)unused;
	for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(steps); i++)
		e = pg_run(pg, steps[i], 0, NULL, NULL);
	return e;
}

static enum err analyze(struct pg *pg, void *unused)
{
	(void)unused;
	return pg_run(pg, SQL_recompute_analyze, 0, NULL, NULL);
}

enum err recompute_switch(struct pg *pg)
{
	const enum err e = in_transaction(pg, analyze, NULL);
	return e == ERR_OK ? in_transaction(pg, switch_over, NULL) : e;
}

/*
 * Some rows of a shard after others, in the order of a key: each transaction begins where the last
 * one ended, since those taken lie dead before it.
 */
struct fold {
	enum sql sql; /* answers the last row's key, two columns, and how many there were */
	const char *shard, *rows;
	const char *const *first; /* the key before all others */
	char at[2][KEY_MAX];
	char next[2][KEY_MAX]; /* answer: the key behind the transaction, which may fail yet */
	int64_t n;	       /* answer: rows taken */
};

static void set_key(char key[2][KEY_MAX], const char *a, const char *b)
{
	snprintf(key[0], KEY_MAX, "%s", a);
	snprintf(key[1], KEY_MAX, "%s", b);
}

static enum err fold_some(struct pg *pg, void *context)
{
	struct fold *f = context;
	const char *const params[] = {f->shard, f->rows, f->at[0], f->at[1]};
	PGresult *r;
	enum err e = hold(pg, (void *)(uintptr_t)f->shard);
	if (e == ERR_OK)
		e = pg_run(pg, f->sql, 4, params, &r);
	if (e != ERR_OK)
		return e;
	f->n = PQntuples(r) > 0 ? pg_int(r, 0, 2) : 0;
	if (f->n > 0)
		set_key(f->next, PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1));
	PQclear(r);
	return ERR_OK;
}

/* Until a look from the beginning finds nothing. */
static enum err fold_all(struct pg *pg, struct fold *f, recompute_progress_fn *progress,
			 void *context, int64_t *done)
{
	bool is_first = true;
	set_key(f->at, f->first[0], f->first[1]);
	for (;;) {
		const enum err e = in_transaction(pg, fold_some, f);
		if (e != ERR_OK || (f->n == 0 && is_first))
			return e;
		is_first = f->n == 0;
		if (is_first)
			set_key(f->at, f->first[0], f->first[1]);
		else
			set_key(f->at, f->next[0], f->next[1]);
		*done += f->n;
		progress(context, "folding in", *done, 0);
	}
}

static enum err fold_shares(struct pg *pg, void *shard)
{
	const char *const params[] = {shard};
	const enum err e = hold(pg, shard);
	return e == ERR_OK ? pg_run(pg, SQL_fold_empty_shares, 1, params, NULL) : e;
}

static enum err fold_shard(struct pg *pg, char *shard, recompute_progress_fn *progress,
			   void *context, int64_t *done)
{
	static const char *const first_path[] = {"-infinity", NIL};
	static const char *const first_bucket[] = {NIL, "-infinity"};
	struct fold paths = {
		.sql = SQL_fold_paths, .shard = shard, .rows = FOLD_PATHS, .first = first_path};
	struct fold buckets = {.sql = SQL_fold_buckets,
			       .shard = shard,
			       .rows = FOLD_BUCKETS,
			       .first = first_bucket};
	enum err e = fold_all(pg, &paths, progress, context, done);
	if (e == ERR_OK)
		e = fold_all(pg, &buckets, progress, context, done);
	if (e != ERR_OK)
		return e;
	return in_transaction(pg, fold_shares, shard);
}

static enum err clear(struct pg *pg, void *unused)
{
	(void)unused;
	enum err e = pg_exec(pg, "SET LOCAL enable_seqscan = on");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_recompute_clear, 0, NULL, NULL);
	return e == ERR_OK ? pg_run(pg, SQL_recompute_end, 0, NULL, NULL) : e;
}

enum err recompute_fold(struct pg *pg, recompute_progress_fn *progress, void *context)
{
	PGresult *r;
	int64_t done = 0;
	enum err e = pg_run(pg, SQL_recompute_shards, 0, NULL, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++)
		e = fold_shard(pg, PQgetvalue(r, i, 0), progress, context, &done);
	PQclear(r);
	return e == ERR_OK ? in_transaction(pg, clear, NULL) : e;
}

static enum err abandon(struct pg *pg, void *unused)
{
	struct recompute_status status;
	enum err e = pg_run(pg, SQL_switch_lock, 0, NULL, NULL);
	if (e == ERR_OK)
		e = read_state(pg, &status);
	if (e == ERR_OK && status.state == PENDING_FOLDING)
		return ERR_BUSY;
	return e == ERR_OK ? clear(pg, unused) : e;
}

enum err recompute_abort(struct pg *pg)
{
	return in_transaction(pg, abandon, NULL);
}
