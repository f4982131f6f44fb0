/*
 * The producer actor: from the HTTP workers' lanes into Kafka, and the acknowledgements back.
 *
 * Overview: it answers every MSG_PRODUCE once each of its records was acknowledged or given up.
 * While the oldest message in flight is older than KAFKA_STALL_MS Kafka counts as down: what is not
 * acknowledged goes to the spool, which answers in its place, or, where there is none, is answered
 * with PRODUCE_RETRY. Threads: one, its own.
 */
#ifndef ACTORS_PRODUCER_H
#define ACTORS_PRODUCER_H

#include "net/server.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct producer;

/** All arguments are borrowed; @mb must have an eventfd. @partitions: of each topic. @spool is the
 * spooler's mailbox, NULL if there is none. @thread main */
struct producer *producer_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
				struct mailbox *spool, struct metrics_set *metrics,
				struct health *health) MUST_CHECK;

/** Send what is queued, wait for acknowledgements, answer everybody, free. @thread main */
void producer_stop(struct producer *p);

#endif
