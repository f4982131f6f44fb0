/*
 * Mending what a recount found to be different, while events go on being booked.
 *
 * Overview: works on what recount_compare() kept in the same connection, piece by piece; a piece is
 * one short transaction of one shard, which locks the shard's fence row, so that its writer waits
 * meanwhile, and raises its version, so that counters, journals and caches follow. The epoch stays:
 * the shard keeps its owner. Events are never changed but for the click of a conversion. See
 * difference_note in repair.c for why an old snapshot is good enough. Usage: repair_try_lock(),
 * then the recount, then repair_differences(). Threads: the one that uses the connection.
 */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include "store/pg.h"

struct repair_report {
	int64_t attributions; /* conversions that have another click now */
	int64_t cells;	      /* of buckets, shares, journals, weeks and months */
	int64_t transactions;
	uint64_t longest_ns; /* of them, the wait for the lock left out */
};

typedef void repair_progress_fn(void *context, int64_t done, int64_t total);

/** Only one connection at a time may repair; it holds the right until it ends. */
enum err repair_try_lock(struct pg *pg, bool *got) MUST_CHECK;

/**
 * Mend every difference that was kept. After any error what was committed stays and is right; the
 * rest needs a new recount.
 */
enum err repair_differences(struct pg *pg, struct repair_report *out, repair_progress_fn *progress,
			    void *context) MUST_CHECK;

#endif
