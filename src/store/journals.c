/*
 * Journal transactions.
 *
 * Runs on the journal actor's thread.
 *
 * closing_note: (1) raise listed_through under an exclusive lock that every booking transaction
 * holds shared: those before it are committed, those after it list their changes to these days. (2)
 * In further transactions, whose snapshots are younger than (1), write the journals from the
 * buckets, and at last raise closed_through. A booking between the two is in the list, and maybe in
 * the journal already; following the list writes it again.
 *
 * round_note: one transaction may list any number of days, and many list the same ones. So a round
 * first notes how far the list goes, then writes the days that it has up to there, each once, in
 * pieces, and with the last piece it notes that they are done. In between every reader still takes
 * all of them for changed. Days that change once more meanwhile are listed behind the round. It is
 * in tables of the connection: one that is cut off begins anew, and two processes that take turns
 * write some days twice.
 */
#include "store/journals.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/statement.h"

#define PIECE_DAYS "500"       /* campaign days of a range written in one transaction */
#define ROUND_CHANGES "100000" /* of a shard, about: days count as changed until a round ends */
#define NUMBER_MAX 16

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

/* The campaign day that the next piece of a range begins with. */
struct place {
	char day[NUMBER_MAX];
	char campaign[UUID_TEXT_LEN + 1];
	bool at_end;
};

static void copy_place(const PGresult *r, struct place *at)
{
	at->at_end = PQntuples(r) == 0;
	if (at->at_end)
		return;
	snprintf(at->day, sizeof(at->day), "%s", PQgetvalue(r, 0, 0));
	snprintf(at->campaign, sizeof(at->campaign), "%s", PQgetvalue(r, 0, 1));
}

/* A transaction: the journals of PIECE_DAYS campaign days from @at on, which is moved on. */
static enum err write_piece(struct pg *pg, struct place *at, const char *to, int64_t *written)
{
	const char *const params[] = {at->day, at->campaign, to, PIECE_DAYS};
	struct place next = *at;
	PGresult *r = NULL;
	enum err e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = pg_run(pg, SQL_journal_lock, 0, NULL, NULL);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_stage_range, 4, params, &r);
	if (e == ERR_OK)
		copy_place(r, &next);
	PQclear(r);
	if (e == ERR_OK)
		e = write_staged(pg, written);
	e = finish(pg, e);
	if (e == ERR_OK)
		*at = next;
	return e;
}

enum err journals_write(struct pg *pg, int32_t from, int32_t to, int64_t *written)
{
	static const struct uuid nil;
	char last[NUMBER_MAX];
	struct place at = {.at_end = false};
	enum err e = ERR_OK;
	snprintf(at.day, sizeof(at.day), "%d", from);
	snprintf(last, sizeof(last), "%d", to);
	uuid_format(&nil, at.campaign);
	*written = 0;
	while (e == ERR_OK && !at.at_end) {
		int64_t piece = 0;
		e = write_piece(pg, &at, last, &piece);
		*written += piece;
	}
	return e;
}

enum err journals_close(struct pg *pg, int32_t day, int64_t *written)
{
	char text[NUMBER_MAX];
	int32_t closed_through;
	snprintf(text, sizeof(text), "%d", day);
	const char *const params[] = {text};
	*written = 0;
	enum err e = pg_run(pg, SQL_close_list, 1, params, NULL);
	if (e == ERR_OK)
		e = journals_closed_through(pg, &closed_through);
	if (e == ERR_OK && closed_through < day)
		e = journals_write(pg, closed_through + 1, day, written);
	return e == ERR_OK ? pg_run(pg, SQL_close_days, 1, params, NULL) : e;
}

/* Ask what is answered by one boolean. */
static enum err ask(struct pg *pg, enum sql question, bool *yes)
{
	PGresult *r;
	const enum err e = pg_run(pg, question, 0, NULL, &r);
	*yes = e == ERR_OK && *PQgetvalue(r, 0, 0) == 't';
	PQclear(r);
	return e;
}

/* ERR_BUSY: another process holds it. */
static enum err try_lock(struct pg *pg)
{
	bool ours;
	const enum err e = ask(pg, SQL_journal_try_lock, &ours);
	return e == ERR_OK && !ours ? ERR_BUSY : e;
}

/* The next piece of a round; see round_note. */
static enum err write_listed(struct pg *pg, const char *most, bool *any, int64_t *written)
{
	static const char *const changes[] = {ROUND_CHANGES};
	PGresult *r;
	enum err e = pg_run(pg, SQL_round_begin, 1, changes, NULL);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_stage_changes, 1, &most, &r);
	if (e != ERR_OK)
		return e;
	*any = *PQgetvalue(r, 0, 0) == 't';
	const bool is_last = *any && *PQgetvalue(r, 0, 1) != 't';
	PQclear(r);
	if (*any)
		e = write_staged(pg, written);
	if (e == ERR_OK && is_last)
		e = pg_run(pg, SQL_round_done, 0, NULL, NULL);
	return e == ERR_OK && is_last ? pg_run(pg, SQL_round_end, 0, NULL, NULL) : e;
}

enum err journals_follow(struct pg *pg, int most, bool *any, int64_t *written)
{
	char text[NUMBER_MAX];
	snprintf(text, sizeof(text), "%d", most);
	*written = 0;
	enum err e = ask(pg, SQL_round_waits, any);
	if (e != ERR_OK || !*any)
		return e; /* as nearly always: no transaction for that */
	*any = false;
	e = pg_exec(pg, "BEGIN");
	if (e == ERR_OK)
		e = try_lock(pg);
	if (e == ERR_OK)
		e = write_listed(pg, text, any, written);
	return finish(pg, e);
}

enum err journals_prune(struct pg *pg)
{
	return pg_run(pg, SQL_prune_changes, 0, NULL, NULL);
}
