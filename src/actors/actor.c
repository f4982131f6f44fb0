/*
 * The actor's loop, written once.
 *
 * Runs on the actor's own thread.
 */
#include "actors/actor.h"

#include <stdio.h>

#include "util/log.h"

static bool is_full(const struct actor *a)
{
	return a->ops->is_full != NULL && a->ops->is_full(a->self);
}

/* Take what is there, up to the bound; how many messages that were. */
static unsigned take_messages(struct actor *a)
{
	unsigned n = 0;
	while (n < ACTOR_BATCH && !is_full(a)) {
		struct msg *m = mailbox_pop(a->mb);
		if (m == NULL)
			break;
		a->ops->on_msg(a->self, m);
		n++;
	}
	return n;
}

/* After the mailbox was closed: everything that was pushed before is worked off. */
static void drain(struct actor *a)
{
	struct msg *m;
	while ((m = mailbox_pop(a->mb)) != NULL)
		a->ops->on_msg(a->self, m);
}

static void *run(void *arg)
{
	struct actor *a = arg;
	log_set_thread_name(a->name);
	if (a->ops->init != NULL)
		a->ops->init(a->self);
	while (!mailbox_is_closed(a->mb)) {
		const uint32_t ticket = mailbox_ticket(a->mb);
		mailbox_beat(a->mb);
		const unsigned n = take_messages(a);
		const uint64_t sleep_ns = a->ops->on_idle(a->self);
		if (n == 0 && sleep_ns > 0 && !mailbox_is_closed(a->mb))
			mailbox_wait(a->mb, ticket, sleep_ns, !is_full(a));
	}
	drain(a);
	if (a->ops->fini != NULL)
		a->ops->fini(a->self);
	return NULL;
}

void actor_start(struct actor *a, const struct actor_ops *ops, const char *name, void *self,
		 struct mailbox *mb)
{
	snprintf(a->name, sizeof(a->name), "%s", name);
	a->ops = ops;
	a->self = self;
	a->mb = mb;
	const int e = pthread_create(&a->thread, NULL, run, a);
	if (e != 0)
		die("the thread %s cannot be started (error %d): is the limit on processes too "
		    "low?",
		    name, e);
	a->started = true;
}

void actor_stop(struct actor *a)
{
	if (!a->started)
		return;
	mailbox_close(a->mb);
	pthread_join(a->thread, NULL);
	a->started = false;
}

bool actor_send(struct lane *lane, struct msg *m)
{
	void *moving = m;
	if (mailbox_push(lane, &moving) == MAILBOX_OK)
		return true;
	msg_free(m);
	return false;
}
