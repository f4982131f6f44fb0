/*
 * Something to sleep on until another thread has changed something: ck's 32-bit event count on
 * futexes.
 *
 * Usage, sleeper: v = event_count_value(&ec); look; nothing there? event_count_wait(&ec, v,
 * deadline). Usage, waker: change; event_count_wake(&ec). The value taken before looking closes the
 * race. Threads: any number of wakers and sleepers. A wake is a system call only when somebody
 * sleeps. Ownership: embedded by value; zeroed memory is a valid event count.
 */
#ifndef UTIL_EVENT_COUNT_H
#define UTIL_EVENT_COUNT_H

#include <ck_ec.h>

#include "util/base.h"

struct event_count {
	struct ck_ec32 ec;
};

/**
 * Prepare for @threads threads that sleep at the same time. Linux from 6.16 on gives a process a
 * hash table of futexes by its cores, 16 slots where there are two, and each wake-up passes over
 * all that sleep in its slot. Does nothing on an older kernel, whose table is the machine's.
 * @thread main, before others start
 */
void event_count_expect(unsigned threads);

/** The current value; an acquire barrier. @thread any */
uint32_t event_count_value(const struct event_count *ec);

/** Make every sleeper look again; a release barrier. @thread any */
void event_count_wake(struct event_count *ec);

/**
 * Sleep until the value differs from @value or the monotonic clock reaches @deadline_ns.
 * False when the deadline came first. May return true early.
 * @thread any
 */
bool event_count_wait(struct event_count *ec, uint32_t value, uint64_t deadline_ns);

#endif
