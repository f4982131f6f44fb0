/*
 * The counter actor: keeps Redis' live counters equal to PostgreSQL's shares.
 *
 * Overview: writers send every version of their shards; the counter sets the shares it carries,
 * absolutely, and then publishes the version. Whatever is lost on the way shows as a missing
 * version, or as a version in Redis that is not the one published last; then all live days are
 * written anew from PostgreSQL. Days that miss in Redis are written from a snapshot of all shards.
 * Redis or PostgreSQL being down only delays: readers see the published versions fall behind and
 * ask PostgreSQL. Threads: one, its own.
 */
#ifndef ACTORS_COUNTER_H
#define ACTORS_COUNTER_H

#include "net/server.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"
#include "util/uuid.h"

struct counter;

/** All arguments are borrowed. @thread main */
struct counter *counter_start(const struct config *cfg, int32_t partitions,
			      const struct uuid *deployment, struct mailbox *mb,
			      struct metrics_set *metrics, struct health *health) MUST_CHECK;

/** @thread main */
void counter_stop(struct counter *c);

#endif
