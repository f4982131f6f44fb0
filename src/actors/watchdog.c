/*
 * Counting beats.
 *
 * Runs on its own thread.
 */
#include "actors/watchdog.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/event_count.h"
#include "util/log.h"

#define TICKS 20 /* in the time that counts as stuck */

struct seen {
	uint64_t beats;
	unsigned ticks; /* since it changed */
};

struct watchdog {
	/* set at start, then read-only */
	struct mailbox *const *mailboxes;
	unsigned n;
	uint64_t tick_ns;
	pthread_t thread;

	/* owned by the thread */
	struct seen *seen;

	/* shared */
	_Atomic bool stopping;
	struct event_count ec;
};

static void look(struct watchdog *dog)
{
	for (unsigned i = 0; i < dog->n; i++) {
		struct seen *seen = &dog->seen[i];
		const uint64_t beats = mailbox_beats(dog->mailboxes[i]);
		seen->ticks = beats == seen->beats ? seen->ticks + 1 : 0;
		seen->beats = beats;
		if (seen->ticks <= TICKS)
			continue;
		log_error("watchdog",
			  "an actor hangs, ending the process; what was accepted is safe| actor=%s "
			  "ms=%" PRIu64,
			  mailbox_name(dog->mailboxes[i]),
			  (uint64_t)(TICKS * dog->tick_ns / NS_PER_MS));
		abort();
	}
}

static void *run(void *arg)
{
	struct watchdog *dog = arg;
	log_set_thread_name("watchdog");
	while (!atomic_load(&dog->stopping)) {
		const uint32_t value = event_count_value(&dog->ec);
		if (atomic_load(&dog->stopping))
			break;
		if (!event_count_wait(&dog->ec, value, clock_mono_ns() + dog->tick_ns))
			look(dog);
	}
	return NULL;
}

struct watchdog *watchdog_start(struct mailbox *const *mailboxes, unsigned n, int64_t stuck_ms)
{
	if (stuck_ms == 0)
		return NULL;
	struct watchdog *dog = xcalloc_aligned(1, sizeof(*dog));
	dog->mailboxes = mailboxes;
	dog->n = n;
	dog->tick_ns = (uint64_t)stuck_ms * NS_PER_MS / TICKS;
	dog->seen = xcalloc(n, sizeof(*dog->seen));
	const int e = pthread_create(&dog->thread, NULL, run, dog);
	if (e != 0)
		die("the watchdog's thread cannot be started (error %d)", e);
	return dog;
}

void watchdog_stop(struct watchdog *dog)
{
	if (dog == NULL)
		return;
	atomic_store(&dog->stopping, true);
	event_count_wake(&dog->ec);
	pthread_join(dog->thread, NULL);
	free(dog->seen);
	free(dog);
}
