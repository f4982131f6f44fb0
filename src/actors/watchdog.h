/*
 * The watchdog: ends a process in which an actor has stopped turning.
 *
 * Overview: every actor beats once a turn (its mailbox counts), and no turn may wait for longer
 * than the deadlines of what it calls. An actor without a beat for ACTOR_STUCK_MS hangs in a
 * library or in a bug of ours; nothing that was acknowledged can be lost by aborting, and whoever
 * supervises the process starts it again. Time is counted in the watchdog's own ticks, so that a
 * process that was halted as a whole, or a machine that slept, is not taken for a hang. Threads:
 * start and stop by main; it has one thread of its own.
 */
#ifndef ACTORS_WATCHDOG_H
#define ACTORS_WATCHDOG_H

#include "util/mailbox.h"

struct watchdog;

/** Watch the receivers of @n mailboxes, borrowed. @stuck_ms 0: watch nothing. @thread main */
struct watchdog *watchdog_start(struct mailbox *const *mailboxes, unsigned n,
				int64_t stuck_ms) MUST_CHECK;

/** Before the first actor is stopped. NULL is fine. @thread main */
void watchdog_stop(struct watchdog *dog);

#endif
