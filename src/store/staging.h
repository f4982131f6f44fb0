/*
 * What a booking transaction copies into its temporary tables: a batch's events, by topic.
 *
 * Overview: filling walks over a prefix of the batch, moves the fence's offsets past it and writes
 * the rows for COPY; what was read before the claim is marked stale and passed over.
 * Usage: staging_clear(&s); staging_fill(&s, &fence, &batch); staging_copy(&s, pg).
 * Threads: the one that owns the ledger. Ownership: the rows belong to the staging.
 */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include "store/fence.h"
#include "store/ledger.h"
#include "util/buf.h"

struct staged {
	struct buf rows;
	uint32_t n;
	bool reread; /* all of them were booked before (see reread_note), else none */
};

struct staging {
	struct staged of[EVENT_KINDS];
};

/** Stage a prefix of the batch: sets its taken, gaps and reread, and moves @fence. */
void staging_fill(struct staging *staging, struct fence *fence, struct ledger_batch *b);

/** Copy the rows into the session's temporary tables. */
enum err staging_copy(const struct staging *staging, struct pg *pg) MUST_CHECK;

bool staging_is_empty(const struct staging *staging);
void staging_clear(struct staging *staging);
void staging_release(struct staging *staging);

#endif
