/*
 * Completion slots: one 64-bit word holds the generation and the state of the wait.
 *
 *      owner:  begin            (g, IDLE) -> (g+1, WAITING)
 *      actor:  complete         (g, WAITING) -> (g, FILLING), writes result, -> (g, DONE), wakes
 *      owner:  wait sees DONE   takes the result; deadline: (g, WAITING) -> (g, IDLE)
 *      any:    deferred         (g, WAITING) -> (g, FILLING), delivers, -> (g, IDLE), wakes
 *
 * Runs on the waiting thread and on the completing actor. If the deadline meets FILLING, the result
 * is a few instructions away and the owner waits for it.
 *
 * deadline_note: whoever expires a wait reads the word, then the deadline. That may be the one of a
 * later wait, whose begin changed the word, so that taking it fails.
 */
#include "util/completion.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/event_count.h"

#define STATE_BITS 2
#define STATE_MASK 3ull
#define SETTLE_NS NS_PER_S /* between looks, though a wake-up comes in any case */

enum state { STATE_IDLE, STATE_WAITING, STATE_FILLING, STATE_DONE };

struct completion {
	_Atomic uint64_t word; /* generation << STATE_BITS | state */
	void *result;	       /* written in FILLING, read in DONE */
	struct event_count ec;

	/* written by the owner before the wait begins */
	completion_fn *deliver; /* NULL: the owner waits */
	void *context;
	_Atomic uint64_t deadline_ns; /* of a deferred wait, else UINT64_MAX; see deadline_note */
};

struct completion *completion_new(void)
{
	return xcalloc_aligned(1, sizeof(struct completion));
}

void completion_free(struct completion *c)
{
	free(c);
}

/* (g, WAITING) -> (g, @state); false: something else came first. */
static bool leave_waiting(struct completion *c, uint64_t generation, enum state state)
{
	uint64_t word = generation << STATE_BITS | STATE_WAITING;
	return atomic_compare_exchange_strong(&c->word, &word, generation << STATE_BITS | state);
}

static struct ticket begin(struct completion *c)
{
	const uint64_t generation = (atomic_load(&c->word) >> STATE_BITS) + 1;
	atomic_store(&c->word, generation << STATE_BITS | STATE_WAITING);
	return (struct ticket){.completion = c, .generation = generation};
}

struct ticket completion_begin(struct completion *c)
{
	c->deliver = NULL;
	atomic_store(&c->deadline_ns, UINT64_MAX);
	return begin(c);
}

struct ticket completion_defer(struct completion *c, uint64_t deadline_ns, completion_fn *deliver,
			       void *context)
{
	c->deliver = deliver;
	c->context = context;
	atomic_store(&c->deadline_ns, deadline_ns);
	return begin(c);
}

static bool take_result(struct completion *c, uint64_t word, void **result)
{
	*result = c->result;
	atomic_store(&c->word, (word & ~STATE_MASK) | STATE_IDLE);
	return true;
}

bool completion_wait(struct completion *c, uint64_t deadline_ns, void **result)
{
	for (;;) {
		const uint32_t seen = event_count_value(&c->ec);
		uint64_t word = atomic_load(&c->word);
		if ((word & STATE_MASK) == STATE_DONE)
			return take_result(c, word, result);
		if (event_count_wait(&c->ec, seen, deadline_ns))
			continue;
		if (leave_waiting(c, word >> STATE_BITS, STATE_IDLE))
			return false;
		while ((atomic_load(&c->word) & STATE_MASK) != STATE_DONE)
			sched_yield();
		return take_result(c, atomic_load(&c->word), result);
	}
}

bool completion_cancel(struct completion *c)
{
	return leave_waiting(c, atomic_load(&c->word) >> STATE_BITS, STATE_IDLE);
}

void completion_settle(struct completion *c)
{
	while (c->deliver != NULL) {
		const uint32_t seen = event_count_value(&c->ec);
		if ((atomic_load(&c->word) & STATE_MASK) == STATE_IDLE)
			return;
		(void)event_count_wait(&c->ec, seen, clock_mono_ns() + SETTLE_NS);
	}
}

/* Fill a wait that was left for FILLING. */
static void fill(struct completion *c, uint64_t generation, void *result)
{
	enum state state = STATE_DONE;
	if (c->deliver != NULL) {
		c->deliver(c->context, result);
		state = STATE_IDLE;
	} else {
		c->result = result;
	}
	atomic_store(&c->word, generation << STATE_BITS | state);
	event_count_wake(&c->ec);
}

void completion_expire(struct completion *c, uint64_t now_ns)
{
	const uint64_t generation = atomic_load(&c->word) >> STATE_BITS;
	if (atomic_load(&c->deadline_ns) <= now_ns && leave_waiting(c, generation, STATE_FILLING))
		fill(c, generation, NULL);
}

bool ticket_complete(struct ticket ticket, void *result)
{
	struct completion *c = ticket.completion;
	if (c == NULL || !leave_waiting(c, ticket.generation, STATE_FILLING))
		return false;
	fill(c, ticket.generation, result);
	return true;
}
