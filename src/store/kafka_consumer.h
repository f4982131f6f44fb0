/*
 * The way out of Kafka: one consumer of all topics in a group, whose offsets are kept elsewhere.
 *
 * Overview: nothing is ever committed to Kafka and no offset is stored by the library. When
 * partitions are assigned, the callback decides where reading begins and calls
 * kafka_consumer_assign(). Assignment is eager and by range, so that partition p of every topic
 * comes to the same member. Threads: all functions, and the callbacks, on the one thread that owns
 * the consumer. Ownership: a polled message is borrowed until the next poll.
 */
#ifndef STORE_KAFKA_CONSUMER_H
#define STORE_KAFKA_CONSUMER_H

#include "domain/msg.h"
#include "util/config.h"

struct kafka_consumer;

struct kafka_consumer_ops {
	/* These partition numbers, of every topic, are ours now. Ends with kafka_consumer_assign,
	 * of none if need be. */
	void (*assigned)(void *context, const int32_t *partitions, int n);
	/* Nothing is ours any more; the library has been told. */
	void (*revoked)(void *context);
	/* The position is outside the log of a topic's partition (@low..@high); reading it has
	 * stopped. */
	void (*out_of_range)(void *context, enum event_kind topic, int32_t partition, int64_t low,
			     int64_t high);
};

struct kafka_consumer *kafka_consumer_new(const struct config *cfg, int wake_fd,
					  const struct kafka_consumer_ops *ops,
					  void *context) MUST_CHECK;

/**
 * Read from these offsets on: offsets[k * n + i] for topic k and partitions[i]; negative: the
 * beginning. Replaces what was assigned before.
 */
void kafka_consumer_assign(struct kafka_consumer *c, const int32_t *partitions,
			   const int64_t *offsets, int n);

enum kafka_poll_result {
	KAFKA_POLL_NOTHING,
	KAFKA_POLL_RECORD,
	KAFKA_POLL_AGAIN, /* something else happened; poll again */
	KAFKA_POLL_FATAL, /* the consumer is of no use any more */
};

/** Take the next message without waiting. Callbacks run inside. */
enum kafka_poll_result kafka_consumer_poll(struct kafka_consumer *c, struct record *record,
					   int32_t *partition) MUST_CHECK;

/** The end of a topic's partition as last heard of; -1 when nothing was heard yet. */
int64_t kafka_consumer_end(struct kafka_consumer *c, enum event_kind topic, int32_t partition);

/** Leave the group and free; bounded. NULL is fine. */
void kafka_consumer_free(struct kafka_consumer *c);

#endif
