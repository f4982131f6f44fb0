/*
 * The events that the benchmark's limits and backlogs are made of.
 *
 * Overview: an endless row of events, ascending in time, of which every 20th is a conversion of a
 * user who clicked a moment before, on the clicked campaign and source. Ids are UUIDv7; users are a
 * fixed pool that `loadtest/bench_history.py` numbers in the same way, so that a stored history
 * can be theirs. Usage: feed_init(), then feed_next(). Threads: one for each feed. Ownership: an
 * event's strings are static.
 */
#ifndef LIMITS_FEED_H
#define LIMITS_FEED_H

#include "domain/event.h"

#define FEED_USERS 1000000
#define FEED_RECENT 1024

struct feed {
	uint64_t random;
	uint64_t made;
	int64_t from_ms, span_ms; /* times are spread over this */
	uint64_t total;		  /* events that it is spread over */
	uint64_t campaigns;
	struct {
		uint64_t user, campaign, source;
	} recent[FEED_RECENT];
};

/** @total events of the last @hours. */
void feed_init(struct feed *feed, uint64_t total, uint64_t hours, uint64_t campaigns);

void feed_next(struct feed *feed, struct event *out);

/** A number from the command line; ends the process with @usage if it is none. */
uint64_t feed_number(const char *text, const char *usage) MUST_CHECK;

/** CPU seconds of this process. */
double feed_cpu(void) MUST_CHECK;

#endif
