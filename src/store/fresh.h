/*
 * Clicks that are most likely not stored yet: how a full batch of them is stored at the least cost.
 *
 * Overview: COPY writes rows straight into the table, for a third of what an insert costs that
 * looks for duplicates first, but it knows no way round one: where a click is stored already,
 * PostgreSQL refuses the whole, and the batch is to be booked anew by store_clicks.sql. What the
 * clicks add to the buckets and days is summed up here, since all of them are stored or none.
 * Usage: fresh_take(), fresh_copy(), fresh_book(). Threads: the one that owns the ledger.
 * Ownership: rows are borrowed from the batch until fresh_book's steps have run.
 */
#ifndef STORE_FRESH_H
#define STORE_FRESH_H

#include "domain/cells.h"
#include "store/changes.h"
#include "store/ledger.h"

struct fresh {
	struct cells cells; /* what the clicks add to the buckets */
	struct buf rows;    /* of COPY */
	uint32_t n;	    /* rows */
	struct buf deltas;  /* an array of ROW_CLICK_DELTA */
};

/**
 * Take the clicks, which are sorted by their keys, for storing them under @shard. False: one of
 * them stands there twice, nothing is taken.
 */
bool fresh_take(struct fresh *f, const struct ledger_row **clicks, uint32_t n,
		int32_t shard) MUST_CHECK;

/** Store the rows. ERR_REFUSED and ERR_FAILED: not this way; the transaction is to be rolled back.
 */
enum err fresh_copy(const struct fresh *f, struct pg *pg) MUST_CHECK;

/** Add the statement that books their buckets, by an array of @type, and the days to @changes. */
void fresh_book(struct fresh *f, int32_t shard, uint32_t type, struct changes *changes,
		struct pg_steps *steps);

void fresh_release(struct fresh *f);

#endif
