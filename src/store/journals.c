/*
 * Journal transactions.
 *
 * Runs on the journal actor's thread.
 *
 * closing_note: (1) raise listed_through under an exclusive lock that every booking transaction
 * holds shared: those before it are committed, those after it list their changes to these days. (2)
 * In a second transaction, whose snapshot is younger than (1), write the journals from the buckets
 * and raise closed_through. A booking between the two is in the list, and maybe in the journal
 * already; following the list writes it again.
 */
#include "store/journals.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/statement.h"

#define FOLLOW_ROWS "2000" /* changes of a shard taken in one transaction */

enum err journals_closed_through(struct pg *pg, int32_t *out)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_journal_state, 0, NULL, &r);
	if (e == ERR_OK)
		*out = (int32_t)pg_int(r, 0, 1);
	PQclear(r);
	return e;
}

/* Write the journals, packed quarters, weeks and months of the staged days. */
static enum err write_staged(struct pg *pg, int64_t *written)
{
	PGresult *r;
	enum err e = pg_run(pg, SQL_write_journals, 0, NULL, &r);
	if (e == ERR_OK)
		*written = strtoll(PQcmdTuples(r), NULL, 10);
	PQclear(r);
	if (e == ERR_OK && *written > 0)
		e = pg_run(pg, SQL_clear_quarters, 0, NULL, NULL);
	if (e == ERR_OK && *written > 0)
		e = pg_run(pg, SQL_write_quarters, 0, NULL, NULL);
	if (e == ERR_OK && *written > 0)
		e = pg_run(pg, SQL_write_statistics, 0, NULL, NULL);
	if (e == ERR_OK && *written > 0)
		e = pg_run(pg, SQL_drop_empty_journals, 0, NULL, NULL);
	return e;
}

static enum err finish(struct pg *pg, enum err e)
{
	if (e == ERR_OK)
		e = pg_commit(pg);
	if (e != ERR_OK)
		pg_rollback(pg);
	return e;
}

/* Stage and write a range inside the open transaction. */
static enum err write_range(struct pg *pg, int32_t from, int32_t to, int64_t *written)
{
	char texts[2][16];
	snprintf(texts[0], sizeof(texts[0]), "%d", from);
	snprintf(texts[1], sizeof(texts[1]), "%d", to);
	const char *const params[] = {texts[0], texts[1]};
	const enum err e = pg_run(pg, SQL_stage_range, 2, params, NULL);
	return e == ERR_OK ? write_staged(pg, written) : e;
}

enum err journals_write(struct pg *pg, int32_t from, int32_t to, int64_t *written)
{
	*written = 0;
	enum err e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_journal_lock, 0, NULL, NULL);
	if (e == ERR_OK)
		e = write_range(pg, from, to, written);
	return finish(pg, e);
}

enum err journals_close(struct pg *pg, int32_t day, int64_t *written)
{
	char text[16];
	int32_t closed_through;
	snprintf(text, sizeof(text), "%d", day);
	const char *const params[] = {text};
	*written = 0;
	enum err e = pg_run(pg, SQL_close_list, 1, params, NULL); /* a transaction of its own */
	if (e == ERR_OK)
		e = pg_exec(pg, "BEGIN");
	if (e != ERR_OK)
		return e;
	e = pg_run(pg, SQL_journal_lock, 0, NULL, NULL);
	if (e == ERR_OK)
		e = journals_closed_through(pg, &closed_through);
	if (e == ERR_OK && closed_through < day)
		e = write_range(pg, closed_through + 1, day, written);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_close_days, 1, params, NULL);
	return finish(pg, e);
}

enum err journals_follow(struct pg *pg, int64_t *written)
{
	static const char *const params[] = {FOLLOW_ROWS};
	PGresult *r;
	*written = 0;
	enum err e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_journal_try_lock, 0, NULL, &r);
	if (e == ERR_OK) {
		if (*PQgetvalue(r, 0, 0) != 't')
			e = ERR_BUSY;
		PQclear(r);
	}
	if (e == ERR_OK)
		e = pg_run(pg, SQL_stage_changes, 1, params, &r);
	if (e == ERR_OK) {
		const bool any = strtoll(PQcmdTuples(r), NULL, 10) > 0;
		PQclear(r);
		if (any)
			e = write_staged(pg, written);
	}
	return finish(pg, e);
}

enum err journals_prune(struct pg *pg)
{
	return pg_run(pg, SQL_prune_changes, 0, NULL, NULL);
}
