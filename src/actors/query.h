/*
 * A query actor: answers from PostgreSQL what the caches cannot, and writes campaigns and settings.
 *
 * Overview: one connection with a statement timeout; its mailbox is bounded by the workers' lanes.
 * A question that waited longer than its asker is answered without asking PostgreSQL. Threads: one,
 * its own.
 */
#ifndef ACTORS_QUERY_H
#define ACTORS_QUERY_H

#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct query;

/** All arguments are borrowed. @index names the thread. @thread main */
struct query *query_start(const struct config *cfg, unsigned index, struct mailbox *mb,
			  struct mailbox *registrar, struct metrics_set *metrics) MUST_CHECK;

/** @thread main */
void query_stop(struct query *q);

#endif
