/*
 * What a booking transaction gives its statements: a batch's events, by topic, as arrays of rows.
 *
 * Overview: filling walks over a prefix of the batch, moves the fence's offsets past it and writes
 * the rows; what was read before the claim is marked stale and passed over. Of the clicks it writes
 * those that stored conversions may have to do with, and lists all: whether they are written as
 * well is up to how they are stored. Usage: staging_clear(&s, &types); staging_fill(&s, &fence,
 * &batch, latest_ms); staging_add_clicks(&s, &batch). Threads: the one that owns the ledger.
 * Ownership: the rows belong to the staging, listed clicks to the batch.
 */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include "store/fence.h"
#include "store/ledger.h"
#include "store/row_types.h"
#include "util/buf.h"

struct staged {
	struct buf rows; /* an array of ROW_CLICK and so on; of clicks see staging_add_clicks */
	uint32_t n;
	bool reread; /* all of them were booked before (see reread_note), else none */
};

struct staging {
	struct staged of[EVENT_KINDS];
	const struct ledger_row **clicks; /* of[EVENT_CLICK].n */
	uint32_t clicks_cap;
	struct staged late; /* clicks that are not behind the latest stored conversion */
};

/**
 * Stage a prefix of the batch: sets its taken, gaps and reread, and moves @fence. No conversion of
 * the shard that is stored is later than @latest_ms.
 */
void staging_fill(struct staging *staging, struct fence *fence, struct ledger_batch *b,
		  int64_t latest_ms);

/** Write the rows of the listed clicks. */
void staging_add_clicks(struct staging *staging, const struct ledger_batch *b);

bool staging_is_empty(const struct staging *staging);
void staging_clear(struct staging *staging, const struct row_types *types);
void staging_release(struct staging *staging);

#endif
