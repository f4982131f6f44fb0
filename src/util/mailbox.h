/*
 * An actor's mailbox: many senders, one receiver, bounded, made of one single-producer ring per
 * sender.
 *
 *      sender A -- lane (ck_ring SPSC) --+
 *      sender B -- lane (ck_ring SPSC) --+--> bitmap of non-empty lanes --> receiver, round-robin
 *      sender C -- lane (ck_ring SPSC) --+        wake: event count, or an eventfd
 *
 * Overview: order is promised per lane only. A full lane answers MAILBOX_FULL at once; nothing is
 * dropped. An actor that also waits for a client library asks for an eventfd, which that library
 * may write to. Usage, sender: lane = mailbox_lane_open(mb, 8); mailbox_push(lane, &msg). Receiver:
 * see actors/actor.c. Threads: a lane is used by one thread at a time; pop, wait and drain only by
 * the receiver. Ownership: messages are plain pointers; a successful push moves the message and
 * sets it to NULL. The mailbox owns its lanes; mailbox_free asserts that they are empty.
 */
#ifndef UTIL_MAILBOX_H
#define UTIL_MAILBOX_H

#include "util/base.h"

struct mailbox;
struct lane;

enum mailbox_result {
	MAILBOX_OK,
	MAILBOX_FULL,
	MAILBOX_CLOSED,
};

/** @name is borrowed for ever. At most @lanes_max senders. @with_fd: wake by an eventfd. @thread
 * main */
struct mailbox *mailbox_new(const char *name, unsigned lanes_max, bool with_fd) MUST_CHECK;

/** Free a mailbox whose senders and receiver have ended. NULL is fine. @thread main */
void mailbox_free(struct mailbox *mb);

/** Claim a lane that holds at least @capacity messages. The mailbox owns it. @thread any */
struct lane *mailbox_lane_open(struct mailbox *mb, unsigned capacity) MUST_CHECK;

/**
 * Hand @msg to the actor that owns the mailbox.
 *
 * On MAILBOX_OK the message belongs to the receiver and *msg is set to NULL.
 * On MAILBOX_FULL or MAILBOX_CLOSED the caller still owns it. Never blocks.
 * @thread the one holding @lane
 */
enum mailbox_result mailbox_push(struct lane *lane, void **msg) MUST_CHECK;

/** Pushes answer MAILBOX_CLOSED from now on; the receiver is woken. @thread any */
void mailbox_close(struct mailbox *mb);

bool mailbox_is_closed(const struct mailbox *mb);

/** The next message, NULL when there is none. @thread receiver */
void *mailbox_pop(struct mailbox *mb);

/** To be taken before popping and given to mailbox_wait afterwards. @thread receiver */
uint32_t mailbox_ticket(struct mailbox *mb);

/** Sleep until something was pushed after @ticket, the eventfd was written, or @timeout_ns passed.
 * Not @for_messages: with an eventfd what is pushed neither ends the sleep nor costs its sender a
 * system call. @thread receiver */
void mailbox_wait(struct mailbox *mb, uint32_t ticket, uint64_t timeout_ns, bool for_messages);

/** The eventfd, to be given to a client library that wakes the receiver; -1 without one. @thread
 * receiver */
int mailbox_fd(const struct mailbox *mb);

/** mailbox_wait ends also while @fd can be read; -1: no more. The mailbox must have an eventfd.
 * @thread receiver */
void mailbox_watch(struct mailbox *mb, int fd);

/** The receiver is alive: counted once a turn. @thread receiver */
void mailbox_beat(struct mailbox *mb);

/** How often. @thread any */
uint64_t mailbox_beats(const struct mailbox *mb);

const char *mailbox_name(const struct mailbox *mb);

struct mailbox_stats {
	uint64_t depth;	   /* messages inside */
	uint64_t capacity; /* sum over the lanes */
	uint64_t pushed;   /* since start */
	uint64_t rejected; /* pushes answered FULL */
};

/** A snapshot, each figure exact for itself. @thread any */
void mailbox_stats(const struct mailbox *mb, struct mailbox_stats *out);

#endif
