/*
 * Where the topics end: what is not read yet is behind what was.
 *
 * Overview: one question to the brokers, with a connection of its own. Threads: any.
 */
#ifndef STORE_KAFKA_ENDS_H
#define STORE_KAFKA_ENDS_H

#include "domain/event.h"
#include "util/config.h"

#define KAFKA_ENDS_ERROR_MAX 512

/** The end of each topic's partitions: @ends[kind][partition], each kind with room for @partitions.
 * False: Kafka did not answer in @timeout_ms, or does not have one of them; @error says which. */
bool kafka_end_offsets(const struct config *cfg, int32_t partitions, int timeout_ms,
		       int64_t *const ends[EVENT_KINDS],
		       char error[KAFKA_ENDS_ERROR_MAX]) MUST_CHECK;

#endif
