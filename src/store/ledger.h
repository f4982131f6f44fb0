/*
 * The ledger: one transaction books a batch of one partition number, whole or not at all.
 *
 *      lock the fence row (epoch)   nobody else books this partition; what was read is skipped
 *      clicks, adjustments          deduplicating inserts of the batch's arrays; click buckets
 *      conversions                  new ones with their touch paths, stored ones that change
 *      conflicts                    same id and time, other content: out, to the dead letters
 *      book                         conversion buckets, day shares, changed days for journals
 *      advance the fence            offsets, counts, version + 1; COMMIT
 *
 * Usage: fill the rows of a batch with record_decode(), then ledger_book() until everything is
 * taken. Threads: a ledger belongs to one writer thread. Ownership: rows borrow from the messages
 * and the arena of the caller; shares belong to the batch.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "domain/msg.h"
#include "util/config.h"
#include "util/metrics.h"

struct ledger;

/* A message and what it says. */
struct ledger_row {
	struct record record;	 /* borrowed */
	struct event event;	 /* borrowed; when dead is NULL */
	const char *dead;	 /* why it cannot be processed (domain/decode.h), else NULL */
	const char *dead_detail; /* borrowed */
	bool stale;		 /* ledger_book's: read before the claim, nothing to do */
};

struct ledger_batch {
	int32_t partition;
	int64_t epoch;
	struct ledger_row *rows; /* borrowed; ascending offsets per topic */
	uint32_t n;
	uint32_t upto; /* rows to book at the most: a prefix; the rest is not looked at */

	/* results of ledger_book */
	uint32_t taken;	     /* rows booked (ERR_OK) or refused: a prefix; the rest comes later */
	const char *refusal; /* ERR_REFUSED: PostgreSQL's words; borrowed until the next call */
	int64_t version;     /* the shard's version after the commit */
	int64_t next_offset[EVENT_KINDS];
	struct share *shares; /* the changed days' absolute shares; room grows, freed by
				 ledger_batch_release */
	uint32_t n_shares;
	uint32_t shares_cap;
	uint32_t stored[EVENT_KINDS];
	uint32_t duplicate[EVENT_KINDS];
	uint32_t dead_lettered[EVENT_KINDS];
	uint32_t reread[EVENT_KINDS];
	uint32_t gaps;
	uint32_t changed; /* stored conversions whose path or worth changed */
};

struct ledger *ledger_new(const struct config *cfg, struct metrics *metrics,
			  const char *role) MUST_CHECK;

/** The same for tables in @schema (borrowed), as a rebuild needs it. */
struct ledger *ledger_new_in(const struct config *cfg, struct metrics *metrics, const char *role,
			     const char *schema) MUST_CHECK;

void ledger_free(struct ledger *l);
void ledger_batch_release(struct ledger_batch *b);

/**
 * Name the ledger's backend in the fence row, so that a successor can end it, unless @session says
 * that it stands there: 0 at first, then the connection it was done on. ERR_FENCED is not an answer
 * here.
 */
enum err ledger_adopt(struct ledger *l, int32_t partition, int64_t epoch,
		      uint64_t *session) MUST_CHECK;

/**
 * Book a prefix of the batch. ERR_OK: committed, the results are filled in. ERR_FENCED: the
 * partition has another owner, nothing was changed. ERR_REFUSED: PostgreSQL will never take what
 * was tried, nothing was changed, a shorter prefix may pass. Every other error: nothing was
 * changed, the same call may be repeated; a COMMIT of unknown outcome has been resolved by reading
 * the fence row, or is on the next call.
 */
enum err ledger_book(struct ledger *l, struct ledger_batch *b) MUST_CHECK;

#endif
