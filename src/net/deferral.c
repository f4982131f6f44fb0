/*
 * Leaving answers to actors.
 *
 * Runs on CivetWeb's workers, and on the producer, the spooler or the reaper, whichever concludes.
 *
 * CivetWeb closes a connection on the worker's thread, and calls back before, which settles; so the
 * socket is the client's for as long as a request is deferred.
 */
#include "net/deferral.h"

#include <stdlib.h>

#include "net/response.h"
#include "net/socket.h"
#include "net/state.h"
#include "net/worker.h"

/* Owned by the worker, but by who concludes while a request is deferred. */
struct deferral {
	struct request request;
	deferral_fn *conclude;
};

/* Many connections have one request, and looking for their socket would not be worth it. */
static int socket_of(const struct request *r)
{
	struct worker *w = r->w;
	if (w->socket == SOCKET_UNKNOWN)
		w->socket = socket_find(w->server->sockets, r->info);
	if (w->socket == SOCKET_NEW)
		w->socket = SOCKET_UNKNOWN;
	return w->socket;
}

bool deferral_fits(const struct request *r)
{
	if (r->holds_big || response_ends_connection(r))
		return false;
	const int fd = socket_of(r);
	return fd >= 0 && socket_is_empty(fd);
}

static void deliver(void *context, void *result)
{
	struct worker *w = context;
	struct deferral *d = w->deferral;
	struct server *s = w->server;
	atomic_store_explicit(&w->answer_due_ns, 0, memory_order_relaxed);
	d->conclude(&d->request, result);
	atomic_fetch_sub(&s->active, 1);
}

void deferral_start(struct request *r, struct msg **m, uint64_t deadline_ns, deferral_fn *conclude)
{
	struct worker *w = r->w;
	if (w->deferral == NULL)
		w->deferral = xmalloc(sizeof(*w->deferral));
	r->deferred = true;
	metrics_add(w->metrics, M_HTTP_DEFERRED, 1);
	*w->deferral = (struct deferral){.request = *r, .conclude = conclude};
	atomic_store_explicit(&w->answer_due_ns, deadline_ns, memory_order_relaxed);
	(*m)->ticket = completion_defer(w->completion, deadline_ns, deliver, w);
	if (!worker_tell(w, LANE_PRODUCER, m) && completion_cancel(w->completion))
		deliver(w, NULL);
}

void deferral_settle(struct worker *w)
{
	if (w->deferral != NULL)
		completion_settle(w->completion);
}

void deferral_expire(struct worker *w, uint64_t now_ns)
{
	const uint64_t due_ns = atomic_load_explicit(&w->answer_due_ns, memory_order_relaxed);
	if (due_ns != 0 && due_ns <= now_ns)
		completion_expire(w->completion, now_ns);
}

void deferral_write(const struct request *r, const char *data, size_t len)
{
	socket_send(r->w->socket, data, len);
}

void deferral_free(struct deferral *d)
{
	free(d);
}
