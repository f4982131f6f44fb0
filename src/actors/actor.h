/*
 * The actor: one thread that lives off one mailbox.
 *
 *      loop:  take at most ACTOR_BATCH messages -> on_idle -> nothing done? sleep until woken or
 * due stop:  the mailbox is closed -> drain it -> fini -> the thread ends
 *
 * Overview: an actor's state is touched by its thread alone. on_msg takes the message and frees or
 * forwards it. on_idle does timed work and says how long the actor may sleep. Sleeping is the only
 * blocking point outside src/store, whose calls have deadlines. Usage: actor_start(&a, &ops,
 * "writer-0", self, mailbox); ... actor_stop(&a). Threads: start and stop by main; the callbacks
 * run on the actor's thread. Ownership: self and mailbox are borrowed and outlive the actor.
 */
#ifndef ACTORS_ACTOR_H
#define ACTORS_ACTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "domain/msg.h"
#include "util/mailbox.h"

#define ACTOR_BATCH 256
#define ACTOR_NAME_MAX 32

struct actor_ops {
	void (*init)(void *self);		   /* first thing on the thread; may be NULL */
	void (*on_msg)(void *self, struct msg *m); /* takes the message */
	uint64_t (*on_idle)(void *self); /* nanoseconds it may sleep; 0: call again at once */
	bool (*is_full)(void *self);	 /* take no message now; may be NULL; callbacks decide it */
	void (*fini)(void *self); /* last thing on the thread, the mailbox is empty; may be NULL */
};

struct actor {
	/* set at start, then read-only */
	char name[ACTOR_NAME_MAX];
	const struct actor_ops *ops;
	void *self;
	struct mailbox *mb;
	pthread_t thread;
	bool started;
};

/** @thread main */
void actor_start(struct actor *a, const struct actor_ops *ops, const char *name, void *self,
		 struct mailbox *mb);

/** Close the mailbox, let it drain, wait for the thread. Fine on an actor that was never started.
 * @thread main */
void actor_stop(struct actor *a);

/** Push @m, freeing it when the mailbox is full or closed; false then. @thread the one holding
 * @lane */
bool actor_send(struct lane *lane, struct msg *m);

#endif
