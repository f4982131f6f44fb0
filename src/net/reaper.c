/*
 * One thread that shuts connections whose body is overdue.
 *
 * Runs on its own thread ("http-reaper") and, for watch and unwatch, on the workers.
 *
 *      worker:  watch      0 -> deadline
 *      reaper:             deadline -> REAPING, shuts the socket, -> REAPED
 *      worker:  unwatch    deadline -> 0, or waits for REAPED, -> 0
 *
 * reaping_note: while the state is REAPING the worker cannot leave unwatch, so its connection
 * cannot be closed and the number of its socket cannot be taken by another one. CivetWeb hides the
 * socket; it is found among the process' own by the addresses of its two ends, which is slow and
 * happens only to the overdue. The state's changes are sequentially consistent; `info` is written
 * before and read after them.
 */
#include "net/reaper.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/state.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/event_count.h"
#include "util/log.h"

#define NOTHING 0ull
#define REAPING 1ull
#define REAPED 2ull

struct reaper {
	/* set at start, then read-only */
	struct port *port;
	uint64_t tick_ns;
	pthread_t thread;

	/* shared */
	_Atomic bool stopping;
	struct event_count ec;
};

static bool is_socket_of(int fd, const struct mg_request_info *info)
{
	struct sockaddr_in peer = {0}, own = {0};
	socklen_t len = sizeof(peer);
	char text[INET_ADDRSTRLEN];
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 || peer.sin_family != AF_INET ||
	    ntohs(peer.sin_port) != info->remote_port)
		return false;
	len = sizeof(own);
	return getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       ntohs(own.sin_port) == info->server_port &&
	       inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text)) != NULL &&
	       strcmp(text, info->remote_addr) == 0;
}

static void shut_reading(const struct mg_request_info *info)
{
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		log_warn("http", "cannot look for the connection of a late body, waiting on");
		return;
	}
	const struct dirent *entry;
	while ((entry = readdir(dir)) != NULL) {
		const int fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && is_socket_of(fd, info)) {
			(void)shutdown(fd, SHUT_RD);
			break;
		}
	}
	closedir(dir);
}

static void reap(struct worker *w, uint64_t now_ns)
{
	uint64_t seen = atomic_load(&w->watch.deadline_ns);
	if (seen <= REAPED || now_ns < seen)
		return;
	if (!atomic_compare_exchange_strong(&w->watch.deadline_ns, &seen,
					    REAPING)) /* see reaping_note */
		return;
	shut_reading(w->watch.info);
	atomic_store(&w->watch.deadline_ns, REAPED);
}

static void *run(void *arg)
{
	struct reaper *reaper = arg;
	struct port *port = reaper->port;
	log_set_thread_name("http-reaper");
	while (!atomic_load(&reaper->stopping)) {
		const uint32_t seen = event_count_value(&reaper->ec);
		const uint64_t now_ns = clock_mono_ns();
		/* acquire: the slots below it were filled */
		if (atomic_load_explicit(&port->ready, memory_order_acquire) == port->n_workers) {
			for (unsigned i = 0; i < port->n_workers; i++)
				reap(port->workers[i], now_ns);
		}
		if (!atomic_load(&reaper->stopping))
			(void)event_count_wait(&reaper->ec, seen, now_ns + reaper->tick_ns);
	}
	return NULL;
}

struct reaper *reaper_start(struct port *port, int64_t tick_ms)
{
	struct reaper *reaper = xcalloc_aligned(1, sizeof(*reaper));
	reaper->port = port;
	reaper->tick_ns = (uint64_t)tick_ms * NS_PER_MS;
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
	free(reaper);
}

void reaper_watch(struct watch *watch, const struct mg_request_info *info, uint64_t deadline_ns)
{
	ASSERT(deadline_ns > REAPED);
	watch->info = info;
	atomic_store(&watch->deadline_ns, deadline_ns);
}

bool reaper_unwatch(struct watch *watch)
{
	uint64_t seen = atomic_load(&watch->deadline_ns);
	if (seen > REAPED && atomic_compare_exchange_strong(&watch->deadline_ns, &seen, NOTHING))
		return false;
	while (atomic_load(&watch->deadline_ns) != REAPED) /* see reaping_note */
		sched_yield();
	atomic_store(&watch->deadline_ns, NOTHING);
	return true;
}
