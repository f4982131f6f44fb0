/*
 * One thread that interrupts workers whose client is too slow.
 *
 * Runs on its own thread ("http-reaper") and, for watch, is_over and unwatch, on the workers.
 *
 *      worker:  watch      0 -> deadline
 *      reaper:             deadline -> REAPING, signals the worker, -> REAPED, and so again
 *      worker:  unwatch    deadline -> 0, or waits until it is REAPED, -> 0
 *
 * reaping_note: a signal makes poll() fail, and CivetWeb then gives the read up; the handler does
 * nothing, and with SA_RESTART no other call of a worker notices. A signal that comes while the
 * worker is not in poll() is lost, and within a chunk CivetWeb tries again if it has got a byte
 * since the last one; therefore an overdue worker is signalled twice at every tick until it ends
 * its watch. It must not be signalled later, when it waits for another client: while the state is
 * REAPING it cannot leave unwatch, and the system call there takes in a signal that was sent
 * before. The state's changes are sequentially consistent.
 */
#include "net/reaper.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "net/deferral.h"
#include "net/state.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/event_count.h"
#include "util/log.h"

#define NOTHING 0ull
#define REAPING 1ull
#define REAPED 2ull

#define SIGNAL SIGURG /* ignored by default, so one that goes astray does no harm */
#define TICK_MIN_MS 20
#define TICK_MAX_MS 500
#define BUSY_TICK_MS 100
#define FAIR_STRIDE 4093u
#define AGAIN_MS 5 /* from a tick's first signal to its second */

struct reaper {
	/* set at start, then read-only */
	const struct port *ports[2];
	uint64_t tick_ns;
	uint64_t busy_ns; /* by how much deadlines come earlier while a port is busy */
	pthread_t thread;

	/* owned by the thread */
	struct watch **reaped; /* in this tick */
	size_t n_reaped;
	uint32_t ticks;

	/* shared */
	_Atomic bool stopping;
	struct event_count ec;
};

static void on_signal(int number)
{
	(void)number;
}

/* Signal the worker if it is due at @now_ns. */
static bool reap(struct watch *watch, uint64_t now_ns)
{
	uint64_t seen = atomic_load(&watch->deadline_ns);
	if (seen == NOTHING || (seen > REAPED && now_ns < seen))
		return false;
	if (!atomic_compare_exchange_strong(&watch->deadline_ns, &seen,
					    REAPING)) /* see reaping_note */
		return false;
	(void)pthread_kill(watch->thread, SIGNAL);
	atomic_store(&watch->deadline_ns, REAPED);
	return true;
}

/* The overdue of a port, and of those that try its patience as many as it lacks workers; no more,
 * because all of them at once would keep the others waiting by coming back. */
static void reap_port(struct reaper *reaper, const struct port *port, uint64_t now_ns)
{
	int64_t lacking = port_lacks(port);
	const unsigned start = (unsigned)reaper->ticks * FAIR_STRIDE; /* others first, each time */
	for (unsigned i = 0; i < port->n_workers; i++) {
		struct worker *w = port->workers[(start + i) % port->n_workers];
		struct watch *watch = &w->watch;
		deferral_expire(w, now_ns);
		const bool overdue = reap(watch, now_ns);
		if (overdue || (lacking > 0 && reap(watch, now_ns + reaper->busy_ns))) {
			reaper->reaped[reaper->n_reaped++] = watch;
			lacking--;
		}
	}
}

static void reap_again(struct reaper *reaper)
{
	for (size_t i = 0; i < reaper->n_reaped; i++)
		(void)reap(reaper->reaped[i], 0);
	reaper->n_reaped = 0;
}

/* Wait until @until_ns, or less when it is time to stop. */
static void wait_until(struct reaper *reaper, uint64_t until_ns)
{
	const uint32_t seen = event_count_value(&reaper->ec);
	if (!atomic_load(&reaper->stopping))
		(void)event_count_wait(&reaper->ec, seen, until_ns);
}

static uint64_t tick_ns(const struct reaper *reaper)
{
	const uint64_t busy_ns = BUSY_TICK_MS * NS_PER_MS;
	for (size_t i = 0; i < ARRAY_LEN(reaper->ports); i++)
		if (port_lacks(reaper->ports[i]) > 0 && reaper->tick_ns > busy_ns)
			return busy_ns;
	return reaper->tick_ns;
}

static void *run(void *arg)
{
	struct reaper *reaper = arg;
	log_set_thread_name("http-reaper");
	while (!atomic_load(&reaper->stopping)) {
		const uint64_t now_ns = clock_mono_ns();
		reaper->ticks++;
		for (size_t i = 0; i < ARRAY_LEN(reaper->ports); i++)
			reap_port(reaper, reaper->ports[i], now_ns);
		if (reaper->n_reaped > 0) {
			wait_until(reaper, now_ns + AGAIN_MS * NS_PER_MS);
			reap_again(reaper);
		}
		wait_until(reaper, now_ns + tick_ns(reaper));
	}
	return NULL;
}

static uint64_t calm_tick_ns(const struct config *cfg)
{
	const int64_t timeout_ms = cfg->ack_timeout_ms < cfg->http_request_timeout_ms
					   ? cfg->ack_timeout_ms
					   : cfg->http_request_timeout_ms;
	const int64_t tick_ms = timeout_ms / 10;
	const int64_t least_ms = tick_ms > TICK_MIN_MS ? tick_ms : TICK_MIN_MS;
	return (uint64_t)(least_ms < TICK_MAX_MS ? least_ms : TICK_MAX_MS) * NS_PER_MS;
}

struct reaper *reaper_start(const struct port *api, const struct port *admin,
			    const struct config *cfg)
{
	struct reaper *reaper = xcalloc_aligned(1, sizeof(*reaper));
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGNAL, &action, NULL);
	reaper->ports[0] = api;
	reaper->ports[1] = admin;
	reaper->reaped = xcalloc(api->n_workers + admin->n_workers, sizeof(struct watch *));
	reaper->tick_ns = calm_tick_ns(cfg);
	if (cfg->http_request_timeout_ms > BUSY_PATIENCE_MS)
		reaper->busy_ns =
			(uint64_t)(cfg->http_request_timeout_ms - BUSY_PATIENCE_MS) * NS_PER_MS;
	if (pthread_create(&reaper->thread, NULL, run, reaper) != 0)
		die("cannot start a thread: raise the limit of processes (ulimit -u) or lower "
		    "HTTP_WORKERS");
	return reaper;
}

void reaper_stop(struct reaper *reaper)
{
	if (reaper == NULL)
		return;
	atomic_store(&reaper->stopping, true);
	event_count_wake(&reaper->ec);
	pthread_join(reaper->thread, NULL);
	free(reaper->reaped);
	free(reaper);
}

void reaper_watch(struct watch *watch, uint64_t deadline_ns)
{
	ASSERT(deadline_ns > REAPED);
	atomic_store(&watch->deadline_ns, deadline_ns);
}

bool reaper_is_over(const struct watch *watch)
{
	const uint64_t seen = atomic_load(&watch->deadline_ns);
	return seen == REAPING || seen == REAPED;
}

bool reaper_unwatch(struct watch *watch)
{
	uint64_t seen = atomic_load(&watch->deadline_ns);
	if (seen == NOTHING)
		return false;
	if (seen > REAPED && atomic_compare_exchange_strong(&watch->deadline_ns, &seen, NOTHING))
		return false;
	do {
		seen = REAPED;
		sched_yield(); /* see reaping_note */
	} while (!atomic_compare_exchange_strong(&watch->deadline_ns, &seen, NOTHING));
	return true;
}
