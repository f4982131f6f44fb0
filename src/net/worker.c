/*
 * A worker's life and its talk with the actors.
 *
 * Runs on CivetWeb's worker threads.
 */
#include "net/worker.h"

#include <stdlib.h>

#include "net/deferral.h"
#include "net/state.h"
#include "util/clock.h"
#include "util/log.h"

#define QUERY_WAY_NS (500 * NS_PER_MS) /* to a query actor and back, beyond its own timeout */

static struct mailbox *mailbox_of(const struct worker *w, enum worker_lane to)
{
	const struct net_deps *deps = w->deps;
	switch (to) {
	case LANE_PRODUCER:
		return deps->producer;
	case LANE_LIVE:
		return deps->live;
	case LANE_JOURNAL:
		return deps->journal;
	case LANE_HISTORY:
		return deps->history;
	case LANE_QUERY:
		return deps->queries[w->index % (unsigned)deps->cfg->query_connections];
	case WORKER_LANES:
		break;
	}
	ASSERT(!"a lane that exists");
	return NULL;
}

/* Push *@m into a lane of @mb, which is opened when it is first used. */
static bool push(struct lane **lane, struct mailbox *mb, struct msg **m)
{
	if (*lane == NULL)
		*lane = mailbox_lane_open(mb, WORKER_LANE_CAPACITY);
	void *moved = *m;
	const bool ok = mailbox_push(*lane, &moved) == MAILBOX_OK;
	if (!ok)
		msg_free(*m);
	*m = NULL;
	return ok;
}

static void trim(struct buf *b)
{
	if (b->cap > WORKER_BUF_KEEP)
		buf_release(b);
}

struct worker *worker_new(struct port *port, unsigned index)
{
	struct worker *w = xcalloc_aligned(1, sizeof(*w));
	w->port = port;
	w->server = port->server;
	w->deps = &port->server->deps;
	w->metrics = port->server->blocks[index % HTTP_BLOCKS];
	w->index = index;
	w->date_s = -1;
	w->socket = SOCKET_NEW;
	w->watch.thread = pthread_self();
	log_set_thread_name(port->is_api ? "http" : "http-admin");
	if (port->is_api) {
		w->completion = completion_new();
		history_thread_start();
	}
	return w;
}

void worker_retire(struct worker *w)
{
	if (w->port->is_api)
		history_thread_stop();
	buf_release(&w->body);
	buf_release(&w->packed);
	buf_release(&w->out);
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	completion_free(w->completion);
	deferral_free(w->deferral);
	free(w->exporters);
	free(w);
}

void worker_trim(struct worker *w)
{
	trim(&w->body);
	trim(&w->packed);
	trim(&w->out);
}

struct msg *worker_ask(struct worker *w, enum worker_lane to, struct msg **m, uint64_t deadline_ns)
{
	void *answer = NULL;
	(*m)->ticket = completion_begin(w->completion);
	if (!worker_tell(w, to, m) || !completion_wait(w->completion, deadline_ns, &answer))
		return NULL;
	return answer;
}

struct msg *worker_ask_query(struct worker *w, struct msg **m, uint64_t extra_ns)
{
	const uint64_t timeout_ns =
		(uint64_t)w->deps->cfg->query_timeout_ms * NS_PER_MS + QUERY_WAY_NS;
	return worker_ask(w, LANE_QUERY, m, clock_mono_ns() + timeout_ns + extra_ns);
}

struct msg *worker_ask_exporter(struct worker *w, unsigned exporter, struct msg **m,
				uint64_t deadline_ns)
{
	void *answer = NULL;
	if (w->exporters == NULL)
		w->exporters = xcalloc((size_t)w->deps->cfg->exports, sizeof(struct lane *));
	(*m)->ticket = completion_begin(w->completion);
	if (!push(&w->exporters[exporter], w->deps->exporters[exporter], m) ||
	    !completion_wait(w->completion, deadline_ns, &answer))
		return NULL;
	return answer;
}

bool worker_tell(struct worker *w, enum worker_lane to, struct msg **m)
{
	return push(&w->lanes[to], mailbox_of(w, to), m);
}
