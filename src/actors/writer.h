/*
 * A writer actor: books the records of its partitions, one transaction per batch of one partition
 * number.
 *
 * Overview: records queue per partition until there are BATCH_MAX_EVENTS of them or the oldest has
 * waited BATCH_LINGER_MS. A transaction that fails is repeated until it succeeds or the partition
 * is fenced off; its records stay here meanwhile, and a full queue pushes back to the consumer.
 * After each commit the counter gets the shard's new version and the absolute shares of live days.
 * Threads: one, its own.
 */
#ifndef ACTORS_WRITER_H
#define ACTORS_WRITER_H

#include "net/server.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct writer;

/** All arguments are borrowed. @index names the thread. @thread main */
struct writer *writer_start(const struct config *cfg, unsigned index, int32_t partitions,
			    struct mailbox *mb, struct mailbox *counter,
			    struct metrics_set *metrics,
			    struct partition_gauge *const *gauges) MUST_CHECK;

/** Book what is queued, within a part of the shutdown deadline; what is left is still in Kafka.
 * @thread main */
void writer_stop(struct writer *w);

#endif
