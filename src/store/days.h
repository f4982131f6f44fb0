/*
 * Reading campaign days from PostgreSQL: for the caches, for the counters, for answers.
 *
 * Overview: each function is one statement and so one snapshot. Sums come from the shards' day
 * shares, which are kept in the transaction that books an event: they are exact at every commit.
 * Callbacks get rows one by one. Threads: the one that owns the connection.
 */
#ifndef STORE_DAYS_H
#define STORE_DAYS_H

#include "domain/msg.h"
#include "store/live_counters.h"
#include "store/pg.h"

struct shard_versions {
	int32_t closed_through;
	uint32_t n;	   /* shards 0 .. n - 1 */
	int64_t *versions; /* -1: the shard has no fence row yet; freed by the caller */
};

/** Every shard's version and how far days are closed. @shards: the partition count. */
enum err days_versions(struct pg *pg, uint32_t shards, struct shard_versions *out) MUST_CHECK;

typedef void day_row_fn(void *context, const struct uuid *campaign, const struct day_totals *day);

/** Days listed as changed behind the versions in @seen, with their present sums. */
enum err days_changed(struct pg *pg, const struct shard_versions *seen, day_row_fn *row,
		      void *context) MUST_CHECK;

/** All days in (@before, @now], with their present sums. */
enum err days_newly_closed(struct pg *pg, int32_t before, int32_t now, day_row_fn *row,
			   void *context) MUST_CHECK;

/**
 * A campaign's closed days for the cache, ascending. ERR_NOT_FOUND: no such campaign. @days is the
 * caller's to free.
 */
enum err days_history(struct pg *pg, const struct uuid *campaign, struct day_totals **days,
		      uint32_t *n, int32_t *through) MUST_CHECK;

/** A campaign's days in [@from, @to], ascending, empty ones left out. ERR_NOT_FOUND as above. */
enum err days_of_campaign(struct pg *pg, const struct uuid *campaign, int32_t from, int32_t to,
			  struct day_totals **days, uint32_t *n,
			  int32_t *closed_through) MUST_CHECK;

/** The campaign days in [@from, @to] that have anything in them; the caller frees. */
enum err days_live(struct pg *pg, int32_t from, int32_t to, struct campaign_day **days,
		   uint32_t *n) MUST_CHECK;

typedef void snapshot_fn(void *context, const struct campaign_day *day,
			 const struct snapshot_share *shares, uint32_t n);

/** All shards' shares of @days, in one snapshot; @row is called once for each day. */
enum err days_shares(struct pg *pg, const struct campaign_day *days, uint32_t n, snapshot_fn *row,
		     void *context) MUST_CHECK;

#endif
