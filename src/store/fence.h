/*
 * The fence row of a partition number: who owns it, how far its topics were read, what became of
 * the messages.
 *
 * Overview: claiming raises the epoch; a transaction of an older epoch then finds no row to lock.
 * The consumer claims (only when partitions are assigned), the writer locks and advances; the
 * replay tool sets offsets back. Threads: the one that owns the connection given.
 */
#ifndef STORE_FENCE_H
#define STORE_FENCE_H

#include "domain/event.h"
#include "store/pg.h"

struct fence {
	int64_t epoch;
	int64_t version;
	int64_t first_offset[EVENT_KINDS]; /* -1: nothing read yet */
	int64_t next_offset[EVENT_KINDS];  /* -1: from the beginning */
	int64_t high_offset[EVENT_KINDS];  /* the highest next_offset there ever was */
	int64_t stored[EVENT_KINDS];
	int64_t duplicate[EVENT_KINDS];
	int64_t dead_lettered[EVENT_KINDS];
	int64_t gaps[EVENT_KINDS];
	int64_t reread[EVENT_KINDS];
};

/**
 * Take over @partition for @owner: fills epoch, version and next_offset. When the row stays locked
 * longer than the connection's lock timeout, its owner is frozen inside a transaction: that backend
 * is ended.
 */
enum err fence_claim(struct pg *pg, int32_t partition, const char *owner,
		     struct fence *out) MUST_CHECK;

/** Name this connection's backend as the one that books @partition. */
enum err fence_adopt(struct pg *pg, int32_t partition, int64_t epoch) MUST_CHECK;

struct pg_steps;

/** Inside a transaction: add the statement that locks the row; then, when the steps have run, what
 * it read. ERR_FENCED when @epoch is not the row's any more. */
void fence_lock(struct pg_steps *steps, int32_t partition, int64_t epoch);
enum err fence_locked(const struct pg_steps *steps, int64_t epoch, struct fence *out) MUST_CHECK;

/** Inside a transaction that holds the lock: add the statement that writes everything back. */
void fence_advance(struct pg_steps *steps, int32_t partition, const struct fence *fence);

#define FENCE_OWNER_MAX 128

/* A fence as an operator's tool sees it. */
struct fence_row {
	int32_t partition;
	char owner[FENCE_OWNER_MAX]; /* cut to fit */
	struct fence fence;
};

/** All fences by partition; @out is the caller's (free), NULL on failure. */
enum err fence_list(struct pg *pg, struct fence_row **out, int *n) MUST_CHECK;

/**
 * Set the next offsets of @partition back to @target (negative: leave that topic), never forward,
 * and void the present claim; whoever is to go on must claim again. Fills epoch, version,
 * next_offset and high_offset. ERR_NOT_FOUND: there is nothing to set back. ERR_TIMEOUT: a batch
 * holds the row longer than the connection's lock timeout.
 */
enum err fence_rewind(struct pg *pg, int32_t partition, const char *owner,
		      const int64_t target[EVENT_KINDS], struct fence *out) MUST_CHECK;

/** By how many rows each event table exceeds what the fences count as stored (scans both). */
enum err fence_excess(struct pg *pg, int64_t out[EVENT_KINDS]) MUST_CHECK;

/** After a COMMIT of unknown outcome: fills epoch, version and next_offset once the old backend is
 * gone. */
enum err fence_read(struct pg *pg, int32_t partition, struct fence *out) MUST_CHECK;

#endif
