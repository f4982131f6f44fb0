/*
 * The batch that a writer books for one partition: its messages, what they say, and how much of it
 * to try next.
 *
 * Overview: a batch is whole at first. Where PostgreSQL refuses it, shorter and shorter prefixes
 * are tried until the refused message is alone; that one becomes a dead letter, and what was around
 * it is booked as ever. Dead letters of a batch are first booked alone: if even that is refused, it
 * was not the message, and batch_refused() takes its finding back.
 *
 * Usage: batch_add() until it is full; then until batch_is_done(): batch_aim(), ledger_book() on
 * booking, and batch_booked() or batch_refused(). After any other outcome the same again. Threads:
 * one writer's. Ownership: the batch owns its messages; rows borrow from them and from the arena.
 */
#ifndef ACTORS_BATCH_H
#define ACTORS_BATCH_H

#include "domain/bisect.h"
#include "domain/msg.h"
#include "store/ledger.h"
#include "util/arena.h"

struct batch {
	struct ledger_batch booking; /* the rows that are not booked yet */
	struct ledger_row *rows;     /* all rows; room grows */
	uint32_t n, cap;
	struct msg **msgs; /* what the rows borrow from */
	size_t msgs_n, msgs_cap;
	struct arena arena; /* what decoding made, and PostgreSQL's words on what it refused */
	struct bisect search;
	uint32_t refused; /* rows found bad in front of the booking's first live one */
	bool proven;	  /* a refused row was booked as a dead letter */
};

struct batch *batch_new(void) MUST_CHECK;

/** NULL is fine. */
void batch_free(struct batch *b);

/** Begin a batch of a partition under a claim; what was in it is freed. */
void batch_clear(struct batch *b, int32_t partition, int64_t epoch);

/** Take the messages of @m, which is the batch's from now on, out of one of @partitions. */
void batch_add(struct batch *b, struct msg *m, int32_t partitions);

bool batch_is_done(const struct batch *b);

/** Set how much the next ledger_book() may take. */
void batch_aim(struct batch *b);

/** Is this a message that PostgreSQL refused, and was it new? */
bool batch_row_is_refused(const struct ledger_row *row);

/** After ERR_OK: what was taken is gone. Answers how many dead letters of refused rows that were.
 */
uint32_t batch_booked(struct batch *b);

/** After ERR_REFUSED: narrow the search. False: no row is to blame; wait before the next try. */
bool batch_refused(struct batch *b) MUST_CHECK;

#endif
