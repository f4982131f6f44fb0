/*
 * What one reading of a campaign day from Redis says, beside a snapshot of PostgreSQL.
 *
 * Overview: a day is equal, missing, different, or not settled yet; a day that is not settled is
 * read again, and what its suspect remembers tells a share that moves from one that is wrong (see
 * judge_note in live_judge.c). Threads: one at a time. Used by store/live_check.c only.
 */
#ifndef STORE_LIVE_JUDGE_H
#define STORE_LIVE_JUDGE_H

#include "store/live_counters.h"
#include "store/redis.h"
#include "util/buf.h"

enum verdict { DAY_EQUAL, DAY_MISSING, DAY_PENDING, DAY_INCOMPLETE, DAY_DIFFERS };

struct suspect {
	struct campaign_day day;
	int32_t ahead_shard;   /* whose share was newer than the last snapshot; -1: none */
	int64_t ahead_version; /* its version */
	enum verdict verdict;
};

struct live_judge;

struct live_judge *live_judge_new(int32_t partitions, const struct uuid *deployment) MUST_CHECK;
void live_judge_free(struct live_judge *j);

/** Judge the answer of day_read.lua by the @n shares of a snapshot taken before it; sets the
 * suspect's verdict, and says in @why what differs. */
void live_judge_day(struct live_judge *j, struct suspect *s, const redisReply *reply,
		    const struct snapshot_share *shares, uint32_t n, struct buf *why);

/** Add a line about the day. */
void live_judge_explain(struct buf *out, const struct suspect *s, const char *words);

#endif
