/*
 * From a Kafka message back to an event, or to the reason why it cannot be processed.
 *
 * Overview: the message must be the JSON of its topic's kind of event with an id, and its user must
 * hash to the partition it was found in: else another writer could hold the same user's events.
 * Threads: any. Ownership: the event's strings live in the arena that is given.
 */
#ifndef DOMAIN_DECODE_H
#define DOMAIN_DECODE_H

#include "domain/msg.h"
#include "util/arena.h"

/* Why a message is a dead letter. Written to the table dead_letters. */
#define DEAD_MALFORMED "malformed" /* not the JSON of an event */
#define DEAD_MISPLACED "misplaced" /* the user belongs to another partition */
#define DEAD_CONFLICT "conflict"   /* same id and time as a stored event, other content */
#define DEAD_REFUSED "refused"	   /* PostgreSQL does not take it, whatever is tried */
#define DEAD_UNKNOWN_CAMPAIGN "unknown_campaign" /* with AUTO_REGISTER_CAMPAIGNS=false */

/**
 * Decode @record, found in @partition of @partitions. NULL: @event is filled in. Otherwise one of
 * the reasons above, and @detail (in the arena) says more.
 */
const char *record_decode(const struct record *record, int32_t partition, int32_t partitions,
			  struct arena *arena, struct event *event, const char **detail) MUST_CHECK;

#endif
