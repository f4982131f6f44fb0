/*
 * Where one thread waits for an actor's answer: a slot that outlives the wait and knows which wait
 * is on.
 *
 * Overview: a waiter begins a wait and puts the ticket into its message. The actor completes the
 * ticket with a result. A waiter that gives up moves the generation on, and a late completion is
 * refused: the actor then still owns the result. So a slot is never written for somebody who has
 * left, and never on a stack. Usage: t = completion_begin(c); push a message with t;
 * completion_wait(c, deadline, &result). Threads: begin and wait by the slot's owner;
 * ticket_complete by any one thread, once. Ownership: a completion must outlive every ticket: it is
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

/**
 * Answer. True: @result has moved to the waiter. False: nobody waits (any more); the caller keeps
 * it.
 * @thread any
 */
bool ticket_complete(struct ticket ticket, void *result) MUST_CHECK;

#endif
