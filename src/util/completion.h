/*
 * Where one thread waits for an actor's answer: a slot that outlives the wait and knows which wait
 * is on.
 *
 * Overview: a waiter begins a wait and puts the ticket into its message. The actor completes the
 * ticket with a result. A waiter that gives up moves the generation on, and a late completion is
 * refused: the actor then still owns the result. So a slot is never written for somebody who has
 * left, and never on a stack. Usage: t = completion_begin(c); push a message with t;
 * completion_wait(c, deadline, &result). Or the owner goes on with other work: completion_defer
 * names a function that takes the result, and completion_settle comes before the slot's next use.
 * Threads: begin, wait, defer, cancel and settle by the slot's owner; ticket_complete by any one
 * thread, once; completion_expire by any. Ownership: a completion must outlive every ticket: it is
 * freed after all actors have ended.
 */
#ifndef UTIL_COMPLETION_H
#define UTIL_COMPLETION_H

#include "util/base.h"

struct completion;

struct ticket {
	struct completion *completion; /* NULL: nobody waits */
	uint64_t generation;
};

struct completion *completion_new(void) MUST_CHECK;
void completion_free(struct completion *c);

/** Start a new wait. Earlier tickets of the slot are dead from here on. @thread owner */
struct ticket completion_begin(struct completion *c) MUST_CHECK;

/**
 * Wait until the ticket begun last is completed, at most until @deadline_ns (monotonic).
 * True: *result is the completer's, and belongs to the caller. False: nothing will come any more.
 * @thread owner
 */
bool completion_wait(struct completion *c, uint64_t deadline_ns, void **result) MUST_CHECK;

/** Takes the @result of a deferred wait, which is its own from here on; NULL: the deadline passed.
 */
typedef void completion_fn(void *context, void *result);

/**
 * Start a wait that nobody sleeps in: @deliver is called once, by whoever completes the ticket or
 * finds the deadline passed. @thread owner
 */
struct ticket completion_defer(struct completion *c, uint64_t deadline_ns, completion_fn *deliver,
			       void *context) MUST_CHECK;

/** End the deferred wait without a result. False: @deliver is being called, or was. @thread owner
 */
bool completion_cancel(struct completion *c) MUST_CHECK;

/** Sleep until no deferred wait is on; what @deliver wrote can then be seen. @thread owner */
void completion_settle(struct completion *c);

/** Deliver NULL if a deferred wait is on and its deadline is not after @now_ns. @thread any */
void completion_expire(struct completion *c, uint64_t now_ns);

/**
 * Answer. True: @result has moved to the waiter. False: nobody waits (any more); the caller keeps
 * it.
 * @thread any
 */
bool ticket_complete(struct ticket ticket, void *result) MUST_CHECK;

#endif
