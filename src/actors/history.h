/*
 * The history actor: keeps the history cache exact, and tells the live actor what PostgreSQL has.
 *
 * Overview: every HISTORY_POLL_NS it reads each shard's version; where one moved, it reads the
 * listed changes behind the version seen last and puts the changed days into the cache. Campaigns
 * that somebody asked for are loaded between rounds. It is the only writer of the cache. Threads:
 * one, its own.
 */
#ifndef ACTORS_HISTORY_H
#define ACTORS_HISTORY_H

#include "net/server.h"
#include "store/history_cache.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct history;

/** All arguments are borrowed. @thread main */
struct history *history_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
			      struct mailbox *live, struct history_cache *cache,
			      struct metrics_set *metrics, struct health *health) MUST_CHECK;

/** @thread main */
void history_stop(struct history *h);

#endif
