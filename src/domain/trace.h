/*
 * Where an event went: every event that is stored or dead-lettered under an id.
 *
 * Overview: an id may stand for a click and a conversion, for several times, and for a dead letter
 * beside a stored event, such as the loser of a conflict. Usage: trace_new(), whoever can answer
 * adds with trace_add(), then trace_write(). Threads: a trace has one owner at a time. Ownership:
 * everything in it is its own.
 */
#ifndef DOMAIN_TRACE_H
#define DOMAIN_TRACE_H

#include "domain/event.h"
#include "util/arena.h"

#define TRACE_EVENTS_MAX 10    /* of each kind, and dead letters: the latest */
#define TRACE_CREDITED_MAX 100 /* conversions that are named of those that credit a click */
#define TRACE_LOOKED_MAX 1000  /* conversions that are looked at for that */

/* A click or conversion by its id and time. */
struct trace_key {
	struct uuid id;
	int64_t time_ms;
};

struct traced {
	const char *topic; /* where it lies in Kafka; in the arena, as all texts */
	int32_t partition;
	int64_t offset;	    /* negative: not known */
	int64_t written_ms; /* into its table */

	const char *reason; /* of a dead letter; NULL: it is stored, and has what follows */
	const char *detail;
	const char *state; /* of a dead letter: open, replayed or dropped */

	enum event_kind kind;
	int64_t time_ms;
	struct uuid user_id;
	int64_t accepted_ms;   /* Kafka's time of the message; 0: not known */
	int64_t attributed_ms; /* a conversion's path was last made or changed; 0: not known */
	bool is_attributed;    /* a conversion, by last click: to this */
	struct trace_key last_click;
	struct uuid conversion_id;  /* an adjustment's */
	struct trace_key *credited; /* the conversions that credit a click, the earliest first */
	uint32_t n_credited;
	int64_t credited_found; /* so many were found, of those that were looked at */
	bool looked_at_all;
};

enum trace_status { TRACE_FAILED, TRACE_OK, TRACE_UNKNOWN };

struct trace {
	struct uuid id;
	enum trace_status status;
	struct traced *items;
	uint32_t n, cap;
	bool more; /* there are others */
	struct arena arena;
};

struct trace *trace_new(const struct uuid *id) MUST_CHECK;

/** NULL is fine. */
void trace_free(struct trace *t);

/** Forget what an attempt to answer has left, but not the question. */
void trace_restart(struct trace *t);

/** A new item, zeroed; valid until the next one. */
struct traced *trace_add(struct trace *t) MUST_CHECK;

/** Append the answer as a JSON object. */
void trace_write(const struct trace *t, struct buf *out);

#endif
