/*
 * Events on their way into one message for the producer.
 *
 * Usage: outbox_init(&ob, bytes); outbox_add(&ob, &event, partitions)...; m = outbox_message(&ob);
 * outbox_release(&ob).
 * Overview: an event is written as the JSON that goes to Kafka at once, so that the tree it was
 * read from may be freed; the message is then made in one allocation of the right size. Threads:
 * one at a time. Ownership: the bytes' buffer is borrowed; the message is the caller's.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include "domain/msg.h"
#include "util/buf.h"

struct outbox_entry;

struct outbox {
	struct buf *bytes; /* borrowed: all values, one behind the other */
	struct outbox_entry *entries;
	uint32_t n;
	uint32_t cap;
};

void outbox_init(struct outbox *ob, struct buf *bytes);
void outbox_release(struct outbox *ob);

/** Take a copy of @event in; its partition is one of @partitions. */
void outbox_add(struct outbox *ob, const struct event *event, int32_t partitions);

/** A MSG_PRODUCE with a pending record for every event, in order. */
struct msg *outbox_message(const struct outbox *ob) MUST_CHECK;

#endif
