/*
 * Completion slots: one 64-bit word holds the generation and the state of the wait.
 *
 *      owner:  begin            (g, IDLE) -> (g+1, WAITING)
 *      actor:  complete         (g, WAITING) -> (g, FILLING), writes result, -> (g, DONE), wakes
 *      owner:  wait sees DONE   takes the result; deadline: (g, WAITING) -> (g, IDLE)
 *
 * Runs on the waiting thread and on the completing actor. If the deadline meets FILLING, the result
 * is a few instructions away and the owner waits for it.
 */
#include "util/completion.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util/event_count.h"

#define STATE_BITS 2
#define STATE_MASK 3ull

enum state { STATE_IDLE, STATE_WAITING, STATE_FILLING, STATE_DONE };

struct completion {
	_Atomic uint64_t word; /* generation << STATE_BITS | state */
	void *result;	       /* written in FILLING, read in DONE */
	struct event_count ec;
};

struct completion *completion_new(void)
{
	return xcalloc_aligned(1, sizeof(struct completion));
}

void completion_free(struct completion *c)
{
	free(c);
}

struct ticket completion_begin(struct completion *c)
{
	const uint64_t generation = (atomic_load(&c->word) >> STATE_BITS) + 1;
	atomic_store(&c->word, generation << STATE_BITS | STATE_WAITING);
	return (struct ticket){.completion = c, .generation = generation};
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
		word = (word & ~STATE_MASK) | STATE_WAITING;
		if (atomic_compare_exchange_strong(&c->word, &word,
						   (word & ~STATE_MASK) | STATE_IDLE))
			return false;
		while ((atomic_load(&c->word) & STATE_MASK) != STATE_DONE)
			sched_yield();
		return take_result(c, atomic_load(&c->word), result);
	}
}

bool ticket_complete(struct ticket ticket, void *result)
{
	struct completion *c = ticket.completion;
	if (c == NULL)
		return false;
	uint64_t word = ticket.generation << STATE_BITS | STATE_WAITING;
	if (!atomic_compare_exchange_strong(&c->word, &word,
					    ticket.generation << STATE_BITS | STATE_FILLING))
		return false;
	c->result = result;
	atomic_store(&c->word, ticket.generation << STATE_BITS | STATE_DONE);
	event_count_wake(&c->ec);
	return true;
}
