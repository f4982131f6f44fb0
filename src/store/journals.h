/*
 * Journals in PostgreSQL: closing days, writing days on demand, following late changes.
 *
 * Overview: every transaction here holds the journal lock, of which there is one in all processes.
 * A range of days is written in pieces, a transaction each. A day is closed in two steps (see
 * closing_note in journals.c), so that no change can fall between its journal and the list of
 * changes. Threads: the journal actor's.
 */
#ifndef STORE_JOURNALS_H
#define STORE_JOURNALS_H

#include "store/pg.h"

/** How far days are closed (days since 1970). */
enum err journals_closed_through(struct pg *pg, int32_t *out) MUST_CHECK;

/** Close every day up to @day: their journals are written, @written counts them. */
enum err journals_close(struct pg *pg, int32_t day, int64_t *written) MUST_CHECK;

/** Write the journals of all days in [@from, @to]; @written counts them. After an error some may be
 * written. */
enum err journals_write(struct pg *pg, int32_t from, int32_t to, int64_t *written) MUST_CHECK;

/**
 * Bring the journals up to date with the next listed changes, about @most of each shard, in one
 * transaction; @written counts the journals. ERR_BUSY: another process is at it.
 */
enum err journals_follow(struct pg *pg, int most, int64_t *written) MUST_CHECK;

#define JOURNALS_FOLLOW_MAX 2000 /* more in a transaction gains nothing */

/** Forget changes that everybody has followed. */
enum err journals_prune(struct pg *pg) MUST_CHECK;

#endif
