/*
 * The spool actor: keeps what Kafka does not take, and gives it to Kafka when it is back.
 *
 * Overview: every MSG_SPOOL is appended to the spool (store/spool.h) and answered when that is
 * durable: many messages share one sync. What is in the spool goes to the producer as MSG_DRAIN, a
 * few messages at a time beside the live ones; they come back with their results, and what Kafka
 * did not take is sent again later. A record is given up only when Kafka has acknowledged it.
 * Threads: one, its own.
 */
#ifndef ACTORS_SPOOLER_H
#define ACTORS_SPOOLER_H

#include "net/server.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"
#include "util/uuid.h"

/* MSG_DRAIN messages that may be with the producer at once; its lane back must hold them. */
#define SPOOLER_WINDOW 4

struct spooler;

/** Opens SPOOL_DIR, or ends the process with a sentence. All arguments are borrowed. @thread main
 */
struct spooler *spooler_start(const struct config *cfg, int32_t partitions,
			      const struct uuid *deployment, struct mailbox *mb,
			      struct mailbox *producer, struct metrics_set *metrics,
			      struct health *health) MUST_CHECK;

/** After the producer has stopped: make durable what it left, answer everybody, close. NULL is
 * fine. @thread main */
void spooler_stop(struct spooler *s);

#endif
