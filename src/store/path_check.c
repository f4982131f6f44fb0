/*
 * Checking paths.
 *
 * Runs on main, in the tool reconcile.
 */
#include "store/path_check.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/paths.h"
#include "store/statement.h"

#define PIECE_ROWS "5000"

static enum err check_piece(struct pg *pg, struct paths *paths, int64_t piece, int64_t *wrong)
{
	char number[24];
	const char *const params[] = {number};
	uint32_t new, changed = 0;
	snprintf(number, sizeof(number), "%" PRId64, piece);
	enum err e = pg_run(pg, SQL_recount_next, 0, NULL, NULL);
	if (e == ERR_OK)
		e = paths_stage(paths, pg, SQL_recount_targets, 1, params);
	if (e == ERR_OK)
		e = paths_make(paths, pg);
	if (e == ERR_OK)
		e = paths_copy(paths, pg, &new, &changed);
	if (e == ERR_OK && changed > 0)
		e = pg_run(pg, SQL_recount_wrong, 0, NULL, NULL);
	*wrong += changed;
	return e;
}

enum err path_check(struct pg *pg, const char *first, const char *last, int64_t *compared,
		    int64_t *wrong)
{
	const char *const params[] = {first, last, PIECE_ROWS};
	struct paths paths = {0};
	PGresult *r;
	*wrong = 0;
	enum err e = pg_run(pg, SQL_recount_list, 3, params, &r);
	if (e != ERR_OK)
		return e;
	const int64_t pieces = pg_int(r, 0, 0);
	*compared = pg_int(r, 0, 1);
	PQclear(r);
	e = paths_follow_rules(&paths, pg);
	for (int64_t i = 0; e == ERR_OK && i < pieces; i++)
		e = check_piece(pg, &paths, i, wrong);
	paths_release(&paths);
	return e;
}
