/*
 * Ends the waiting for clients that send too slowly.
 *
 * Overview: CivetWeb gives a worker to a connection and waits anew for every byte of a body, so a
 * client that sends one byte every few seconds holds its worker for hours, and there is no call
 * that interrupts it. A worker therefore announces when a connection's first head, or a body, must
 * be there; one thread looks at all of them and interrupts the overdue, whose read then fails. The
 * answer (408) can still be sent. While nearly all workers are taken (port_lacks) it also
 * interrupts as many as are lacking of those that have taken longer than BUSY_PATIENCE_MS, so that
 * slow clients cannot keep others waiting for a worker. The same thread ends the waiting of clients
 * whose answer was deferred and does not come. Threads: watch, is_over and unwatch by the
 * worker; start and stop by main.
 */
#ifndef NET_REAPER_H
#define NET_REAPER_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/base.h"

#define BUSY_PATIENCE_MS 3000 /* for a head or a body while nearly all workers are taken */

struct config;
struct port;
struct reaper;

struct watch {
	_Atomic uint64_t deadline_ns; /* 0: nothing to watch; see the states in reaper.c */
	pthread_t thread;	      /* the worker's, set at its start */
};

/** Watch the workers of both ports, whose workers have all started. @thread main */
struct reaper *reaper_start(const struct port *api, const struct port *admin,
			    const struct config *cfg) MUST_CHECK;

/** NULL is fine. @thread main, before the workers are freed */
void reaper_stop(struct reaper *reaper);

/** From here until reaper_unwatch, waiting for the client ends at @deadline_ns. @thread http */
void reaper_watch(struct watch *watch, uint64_t deadline_ns);

/** True: what is watched took too long. For loops, since one read may have missed it. @thread http
 */
bool reaper_is_over(const struct watch *watch);

/** End the watch, if there is one. True: it took too long, and reading may have been cut short.
 * @thread http */
bool reaper_unwatch(struct watch *watch);

#endif
