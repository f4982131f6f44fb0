/*
 * The way into Kafka: idempotent, acknowledged by all in-sync replicas, one result for every
 * record.
 *
 * Overview: kafka_producer_send() hands a record over without copying it; it must stay where it is
 * until its result has come. kafka_producer_poll() delivers results, in the thread that calls it.
 * The file descriptor given at start is written when results are waiting. Threads: all functions
 * from the one thread that owns the producer.
 */
#ifndef STORE_KAFKA_PRODUCER_H
#define STORE_KAFKA_PRODUCER_H

#include "domain/msg.h"
#include "util/config.h"

struct kafka_producer;

/** Has each topic @partitions partitions? Asks the brokers for @timeout_ms. False: @error has a
 * sentence. */
bool kafka_producer_check_topics(const struct config *cfg, int32_t partitions, int timeout_ms,
				 char *error, size_t error_size) MUST_CHECK;

/** Called for each record sent, once. @acknowledged: by all in-sync replicas. */
typedef void kafka_result_fn(void *context, struct produce_record *record, bool acknowledged);

/** Connects in the background. @partitions: of each topic. @wake_fd gets an eventfd-sized write
 * when results are waiting. */
struct kafka_producer *kafka_producer_new(const struct config *cfg, int32_t partitions, int wake_fd,
					  kafka_result_fn *result, void *context) MUST_CHECK;

/** ERR_OK: a result will come. ERR_BUSY: the library's queue is full. ERR_DOWN: it cannot take
 * messages any more. */
enum err kafka_producer_send(struct kafka_producer *p, struct produce_record *record) MUST_CHECK;

/** Is any broker connected, as of the library's last report (one in two seconds)? True until the
 * first report. */
bool kafka_producer_is_connected(const struct kafka_producer *p);

/** It takes no message any more and must be drained, freed and made anew. */
bool kafka_producer_has_failed(const struct kafka_producer *p);

/** Deliver the results that are there, without waiting. */
void kafka_producer_poll(struct kafka_producer *p);

/** Deliver results for @timeout_ms or until all are there; what is left is given up, with its
 * results. */
void kafka_producer_drain(struct kafka_producer *p, int64_t timeout_ms);

/** After kafka_producer_drain(). NULL is fine. */
void kafka_producer_free(struct kafka_producer *p);

#endif
