/*
 * The HTTP server: CivetWeb's worker threads, each with its lanes into the pipeline, and the admin
 * port.
 *
 * Overview: workers parse, validate and give ids (ingest.c, bulk.c), hand events to the producer
 * and wait for the acknowledgement; they answer statistics from the history cache, the live actor
 * or the query actors (statistics.c). Routes are one table (routes.c). The admin context has its
 * own few threads, so that health and metrics answer while the first is saturated (admin.c).
 * Threads: start and stop by main; handlers run on CivetWeb's workers.
 * Ownership: everything in net_deps is borrowed and outlives the server.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <stdatomic.h>

#include "domain/event.h"
#include "store/history_cache.h"
#include "store/recent_days.h"
#include "store/registry.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

/* What a dependency's owner says of it; read by /readyz. Written by one actor each, relaxed. */
struct health {
	_Atomic int kafka; /* 1 up, 0 down; -1, as of the others: not of this process' role */
	_Atomic int spool; /* 1 would take an event, 0 would not; -1: there is none */
	_Atomic int postgres;
	_Atomic int redis;
	_Atomic int grouped; /* the consumer group has answered for the first time */
	_Atomic int started; /* main: the start is over */
};

/* Where a partition's reading stands; written by the consumer and the writers, read by /metrics. */
struct partition_gauge {
	_Atomic int64_t lag;	     /* end offset - next offset to be read; -1: not ours */
	_Atomic int64_t next_offset; /* committed */
};

struct net_deps {
	const struct config *cfg;
	unsigned roles; /* of this process */
	int32_t partitions;
	struct mailbox *producer;
	struct mailbox *live;
	struct mailbox *journal;
	struct mailbox *history;
	struct mailbox **queries;   /* cfg->query_connections of them; a worker sticks to one, see
				       query_mailbox_of */
	struct mailbox **exporters; /* cfg->exports of them; an export has one for itself */
	struct history_cache *cache;
	struct recent_days *recent;
	struct registry *registry;
	struct metrics_set *metrics;
	struct health *health;
	struct mailbox **mailboxes; /* all of the process, for /metrics */
	unsigned n_mailboxes;
	struct partition_gauge *gauges[EVENT_KINDS]; /* by partition */
};

struct server;

/** Start serving on both ports; die() with a sentence when a port cannot be had. @thread main */
struct server *server_start(const struct net_deps *deps) MUST_CHECK;

/** From now on new requests are answered 503 with Connection: close, and /readyz says stopping.
 * @thread main */
void server_drain(struct server *s);

/** Wait until running requests were answered, close the API port and join its workers. @thread main
 */
void server_stop(struct server *s);

/** Close the admin port and free everything; after the actors have ended. @thread main */
void server_free(struct server *s);

#endif
