/*
 * The live counters in Redis: totals that a person can GET, the shards' shares behind them,
 * published versions.
 *
 *      click_count:CAMPAIGN:DATE, conversion_count:..., conversion_value:... (minor units),
 *      unattributed_count:..., unattributed_value:...             totals, plain integers
 *      live_shares:CAMPAIGN:DATE                                   hash: shard -> version and five
 * numbers tyrattribution:versions:DEPLOYMENT                          hash: shard -> version
 * reached
 *
 * Overview: Redis is a cache. Everything here is absolute and carries a version, so repeating is
 * harmless, and a published version means that every share up to it is in the counters. Totals are
 * changed by scripts only (schema/scripts). Keys expire at the end of the next UTC day. Threads:
 * one thread at a time.
 */
#ifndef STORE_LIVE_COUNTERS_H
#define STORE_LIVE_COUNTERS_H

#include "domain/msg.h"
#include "util/config.h"
#include "util/metrics.h"

struct live_counters;

#define LIVE_KEYS 6 /* of a day: the shares, then the totals as drawn above */
#define LIVE_KEY_MAX 96

struct campaign_day {
	struct uuid campaign_id;
	int32_t day;
};

/** Write the name of a day's key @i (0 .. LIVE_KEYS - 1). @thread any */
void live_counters_key(const struct campaign_day *day, int i, char out[LIVE_KEY_MAX]);

/** Which day is the key of? False: it is no day's. @thread any */
bool live_counters_parse_key(const char *key, size_t len, struct campaign_day *out) MUST_CHECK;

/** Write the name of the deployment's hash of published versions. @thread any */
void live_counters_versions_key(const struct uuid *deployment, char out[LIVE_KEY_MAX]);

/** @deployment: the deployment's id; other deployments' keys are not trusted. */
struct live_counters *live_counters_new(const struct config *cfg, struct metrics *metrics,
					const char *name, int64_t timeout_ms,
					const struct uuid *deployment) MUST_CHECK;
void live_counters_free(struct live_counters *lc);

/** Connect if needed. */
enum err live_counters_ready(struct live_counters *lc) MUST_CHECK;

/** Drop the connection, and with it every queued command and reply. To be called after any error.
 */
void live_counters_drop(struct live_counters *lc);

enum share_outcome { SHARE_SET, SHARE_OLD, SHARE_MISS, SHARE_OVERFLOW };

/** Queue one share of @shard at @version; its outcome comes from live_counters_outcome, in order.
 */
void live_counters_append_share(struct live_counters *lc, int32_t shard, int64_t version,
				const struct share *share);

/* A shard's part of a day from a snapshot. */
struct snapshot_share {
	int32_t shard;
	int64_t version;
	struct totals totals;
};

/** Queue the writing of a whole day from a snapshot of all shards; its outcome comes in order as
 * well. */
void live_counters_append_day(struct live_counters *lc, const struct campaign_day *day,
			      const struct snapshot_share *shares, uint32_t n);

/** Begin a resync: from here on, Redis forgetting anything makes live_counters_publish(-1) answer
 * PUBLISH_LOST. */
enum err live_counters_mark(struct live_counters *lc) MUST_CHECK;

/** The outcome of the next queued share or day. SHARE_MISS for a day: its snapshot was too old.
 * ERR_FAILED: Redis refused it; ERR_DOWN: all the rest is lost. */
enum err live_counters_outcome(struct live_counters *lc, enum share_outcome *out) MUST_CHECK;

enum publish_outcome { PUBLISH_SET, PUBLISH_OLD, PUBLISH_LOST };

/** Publish @version of @shard; @before is what was published before, -1: after a resync. */
enum err live_counters_publish(struct live_counters *lc, int32_t shard, int64_t before,
			       int64_t version, enum publish_outcome *out) MUST_CHECK;

/** Which of the days are whole? @whole has room for @n. */
enum err live_counters_check(struct live_counters *lc, const struct campaign_day *days, uint32_t n,
			     bool *whole) MUST_CHECK;

struct live_reading {
	struct campaign_day key;
	bool found;
	struct totals totals;
};

/**
 * Read the published versions (-1 where there is none), then the totals of @n days, in one
 * pipeline: the totals are at least as new as the versions.
 */
enum err live_counters_read(struct live_counters *lc, int64_t *versions, uint32_t n_versions,
			    struct live_reading *readings, uint32_t n) MUST_CHECK;

struct redis_info {
	int64_t used_memory;
	int64_t evicted_keys;
	bool evicting; /* maxmemory-policy other than noeviction */
	char policy[32];
};

enum err live_counters_info(struct live_counters *lc, struct redis_info *out) MUST_CHECK;

#endif
