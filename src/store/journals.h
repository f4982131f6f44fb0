/*
 * Journals in PostgreSQL: closing days, writing days on demand, following late changes.
 *
 * Overview: every function is one transaction under the journal lock, of which there is one in all
 * processes. A day is closed in two steps (see closing_note in journals.c), so that no change can
 * fall between its journal and the list of changes. Threads: the journal actor's.
 */
#ifndef STORE_JOURNALS_H
#define STORE_JOURNALS_H

#include "store/pg.h"

/** How far days are closed (days since 1970). */
enum err journals_closed_through(struct pg *pg, int32_t *out) MUST_CHECK;

/** Close every day up to @day: their journals are written, @written counts them. */
enum err journals_close(struct pg *pg, int32_t day, int64_t *written) MUST_CHECK;

/** Write the journals of all days in [@from, @to]; @written counts them. */
enum err journals_write(struct pg *pg, int32_t from, int32_t to, int64_t *written) MUST_CHECK;

/**
 * Bring the journals up to date with the next listed changes, a bounded number of them; @written
 * counts the journals. ERR_BUSY: another process is at it.
 */
enum err journals_follow(struct pg *pg, int64_t *written) MUST_CHECK;

/** Forget changes that everybody has followed. */
enum err journals_prune(struct pg *pg) MUST_CHECK;

#endif
