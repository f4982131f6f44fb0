/*
 * The consumer actor: from Kafka to the writers, partition p of every topic to the same one.
 *
 * Overview: when partitions are assigned it claims their fence rows and reads on from the offsets
 * it finds there; nothing is ever committed to Kafka. Records of a partition go to a writer in
 * chunks that carry the claim's epoch. A full writer pushes back: polling stops until the chunk is
 * taken. PostgreSQL down at an assignment: nothing is assigned yet, claiming is tried again.
 * Threads: one, its own.
 */
#ifndef ACTORS_CONSUMER_H
#define ACTORS_CONSUMER_H

#include "net/server.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct consumer;

/** All arguments are borrowed; @mb must have an eventfd; partition p goes to writers[p % n].
 * @thread main */
struct consumer *consumer_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
				struct mailbox *const *writers, unsigned n_writers,
				struct metrics_set *metrics, struct partition_gauge *const *gauges,
				struct health *health) MUST_CHECK;

/** @thread main */
void consumer_stop(struct consumer *c);

#endif
