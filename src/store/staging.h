/*
 * What a booking transaction gives its statements: a batch's events, by topic, as arrays of rows.
 *
 * Overview: filling walks over a prefix of the batch, moves the fence's offsets past it and writes
 * the rows; what was read before the claim is marked stale and passed over.
 * Usage: staging_clear(&s, &types); staging_fill(&s, &fence, &batch).
 * Threads: the one that owns the ledger. Ownership: the rows belong to the staging.
 */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include "store/fence.h"
#include "store/ledger.h"
#include "store/row_types.h"
#include "util/buf.h"

struct staged {
	struct buf rows; /* an array of ROW_CLICK and so on */
	uint32_t n;
	bool reread; /* all of them were booked before (see reread_note), else none */
};

struct staging {
	struct staged of[EVENT_KINDS];
};

/** Stage a prefix of the batch: sets its taken, gaps and reread, and moves @fence. */
void staging_fill(struct staging *staging, struct fence *fence, struct ledger_batch *b);

bool staging_is_empty(const struct staging *staging);
void staging_clear(struct staging *staging, const struct row_types *types);
void staging_release(struct staging *staging);

#endif
