/*
 * A topic's log as it lies in Kafka: where it begins and ends, what was written when, and its
 * messages one by one, without a consumer group.
 *
 * Overview: for operators' tools that look at the past beside servers that go on; nothing is
 * committed, nobody is rebalanced. Usage: kafka_log_new(), then the questions; to read,
 * kafka_log_open() a partition and kafka_log_next() until both topics have reached what is wanted.
 * Threads: one thread at a time. Ownership: a record is borrowed until the next call.
 */
#ifndef STORE_KAFKA_LOG_H
#define STORE_KAFKA_LOG_H

#include "domain/msg.h"
#include "util/config.h"

struct kafka_log;

/** @cfg is borrowed. Connects in the background. */
struct kafka_log *kafka_log_new(const struct config *cfg) MUST_CHECK;

/** NULL is fine. */
void kafka_log_free(struct kafka_log *log);

/** The name of a topic in Kafka. */
const char *kafka_log_topic(const struct kafka_log *log, enum event_kind topic);

/** The first offset that is still there and the one after the last. False: kafka_log_error(). */
bool kafka_log_bounds(struct kafka_log *log, enum event_kind topic, int32_t partition, int64_t *low,
		      int64_t *end) MUST_CHECK;

/** The offset of the first message written at @ms (since 1970) or later, -1 if there is none.
 * False: kafka_log_error(). */
bool kafka_log_at_time(struct kafka_log *log, enum event_kind topic, int32_t partition, int64_t ms,
		       int64_t *offset) MUST_CHECK;

/** Read @partition from these offsets on (negative: not that topic), instead of what was open. */
bool kafka_log_open(struct kafka_log *log, int32_t partition,
		    const int64_t from[EVENT_KINDS]) MUST_CHECK;

enum kafka_log_result {
	KAFKA_LOG_RECORD,
	KAFKA_LOG_END,	   /* of the log of @record's topic, at @record's offset */
	KAFKA_LOG_NOTHING, /* within the time given */
	KAFKA_LOG_FAILED,  /* kafka_log_error() */
};

enum kafka_log_result kafka_log_next(struct kafka_log *log, int timeout_ms,
				     struct record *record) MUST_CHECK;

/** What went wrong last, one line. */
const char *kafka_log_error(const struct kafka_log *log);

#endif
