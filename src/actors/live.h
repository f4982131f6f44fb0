/*
 * The live actor: answers what Redis has of a campaign's day, if Redis can be trusted.
 *
 * Overview: all readings that wait go to Redis in one pipeline, behind the published versions, and
 * what can be trusted stands among the recent days for a moment, for whoever asks next. The
 * history actor says what every shard's version was in PostgreSQL a moment ago; where Redis lags
 * that for any shard, or nothing recent is known, nothing is found and the worker asks PostgreSQL.
 * Threads: one, its own.
 */
#ifndef ACTORS_LIVE_H
#define ACTORS_LIVE_H

#include "store/recent_days.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"
#include "util/uuid.h"

struct live;

/** All arguments are borrowed. @thread main */
struct live *live_start(const struct config *cfg, int32_t partitions, const struct uuid *deployment,
			struct mailbox *mb, struct mailbox *counter, struct recent_days *recent,
			struct metrics_set *metrics) MUST_CHECK;

/** @thread main */
void live_stop(struct live *l);

#endif
