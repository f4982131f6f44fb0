/*
 * Journals in PostgreSQL: closing days, writing days on demand, following late changes.
 *
 * Overview: every transaction here holds the journal lock, of which there is one in all processes.
 * A range of days is written in pieces, a transaction each, and so are the days of listed changes
 * (see round_note in journals.c). A day is closed in two steps (see closing_note), so that no
 * change can fall between its journal and the list of changes. Threads: the journal actor's; main
 * in tools.
 */
#ifndef STORE_JOURNALS_H
#define STORE_JOURNALS_H

#include "store/pg.h"

#define JOURNALS_PIECE_MAX 500 /* more days in a transaction gain nothing */

/** How far days are closed (days since 1970). */
enum err journals_closed_through(struct pg *pg, int32_t *out) MUST_CHECK;

/** Close every day up to @day: their journals are written, @written counts them. */
enum err journals_close(struct pg *pg, int32_t day, int64_t *written) MUST_CHECK;

/** Write the journals of all days in [@from, @to]; @written counts them. After an error some may be
 * written. */
enum err journals_write(struct pg *pg, int32_t from, int32_t to, int64_t *written) MUST_CHECK;

/**
 * Write the next journals of listed changes, @most campaign days, in one transaction; @written
 * counts them. @any: there were listed changes, and may be more. ERR_BUSY: another process is at
 * it. After any error the same may be asked again.
 */
enum err journals_follow(struct pg *pg, int most, bool *any, int64_t *written) MUST_CHECK;

/** Forget changes that everybody has followed. */
enum err journals_prune(struct pg *pg) MUST_CHECK;

#endif
