/*
 * Ends the reading of request bodies that take too long.
 *
 * Overview: mg_read() waits anew for every byte, so a client that sends one byte every few seconds
 * holds its worker for hours, and CivetWeb has no call that interrupts it. A worker therefore
 * announces when its body must be there; one thread looks at all of them and shuts the receiving
 * side of an overdue connection, which makes mg_read() return. The answer (408) can still be sent.
 * Threads: watch and unwatch by the worker; start and stop by main.
 */
#ifndef NET_REAPER_H
#define NET_REAPER_H

#include <stdatomic.h>

#include "util/base.h"

struct mg_request_info;
struct port;
struct reaper;

struct watch {
	_Atomic uint64_t deadline_ns;	    /* 0: nothing to watch; see the states in reaper.c */
	const struct mg_request_info *info; /* borrowed from CivetWeb between watch and unwatch */
};

/** Watch the workers of @port; a late body is ended at most @tick_ms after its deadline. @thread
 * main */
struct reaper *reaper_start(struct port *port, int64_t tick_ms) MUST_CHECK;

/** NULL is fine. @thread main, after the workers have ended */
void reaper_stop(struct reaper *reaper);

/** From here until reaper_unwatch, the connection's reading ends at @deadline_ns. @thread http */
void reaper_watch(struct watch *watch, const struct mg_request_info *info, uint64_t deadline_ns);

/** True: the deadline came and nothing more can be read from the connection. @thread http */
bool reaper_unwatch(struct watch *watch);

#endif
