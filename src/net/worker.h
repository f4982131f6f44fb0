/*
 * What one of CivetWeb's worker threads keeps: its ways to the actors, its completion, its buffers.
 *
 * Overview: lanes are opened when first used, so that ten thousand workers cost little. worker_ask
 * hands a message over and waits for its answer; worker_tell only hands it over. Threads: a worker
 * belongs to the CivetWeb thread that made it, but for `watch`, which the reaper reads. Ownership:
 * the completion outlives the thread, because tickets may; worker_free is for after the actors'
 * end. Lanes belong to their mailboxes.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "domain/msg.h"
#include "net/reaper.h"
#include "net/server.h"
#include "net/socket.h"
#include "util/buf.h"

#define WORKER_LANE_CAPACITY 4

/* Buffers larger than this are given back after a request. */
#define WORKER_BUF_KEEP 131072 /* a year by day fits */

enum worker_lane { LANE_PRODUCER, LANE_LIVE, LANE_JOURNAL, LANE_HISTORY, LANE_QUERY, WORKER_LANES };

struct deferral;
struct port;

struct worker {
	/* set at start, then read-only */
	struct server *server;
	struct port *port;
	const struct net_deps *deps; /* borrowed from the server */
	struct metrics *metrics;     /* shared with other workers */
	unsigned index;

	/* owned by the worker's thread */
	struct completion *completion;
	struct lane *lanes[WORKER_LANES]; /* NULL until first used */
	struct lane **exporters;	  /* the same of each exporter; NULL until one is used */
	struct buf body;		  /* of the current request, unpacked */
	struct buf packed;		  /* the same as it came, if it was compressed */
	struct buf out;			  /* the current answer */
	int socket;			  /* of the connection, or one of enum socket_state */
	struct deferral *deferral;	  /* NULL until first used */
	uint64_t head_due_ns;		  /* the first head's deadline; 0 once it has come */
	int64_t date_s;			  /* the second that date[] shows */
	char date[32];

	/* shared with the reaper */
	struct watch watch;
	_Atomic uint64_t answer_due_ns; /* of a deferred answer, 0: none; a hint, relaxed */
};

/** @thread the worker's own, at its start */
struct worker *worker_new(struct port *port, unsigned index) MUST_CHECK;

/** Give back the buffers and the reader registration. @thread the worker's own, at its end */
void worker_retire(struct worker *w);

/** @thread main, after the actors have ended */
void worker_free(struct worker *w);

/** Give back what the last request made unusually large. @thread http */
void worker_trim(struct worker *w);

/**
 * Hand *@m over with a ticket and wait for it to come back, until @deadline_ns. NULL: it did not,
 * or could not be handed over. Takes the message in any case (*m is NULL afterwards); the result is
 * the caller's.
 * @thread http
 */
struct msg *worker_ask(struct worker *w, enum worker_lane to, struct msg **m,
		       uint64_t deadline_ns) MUST_CHECK;

/** The same with a query actor, until QUERY_TIMEOUT_MS and a little more for the way, and
 * @extra_ns. @thread http */
struct msg *worker_ask_query(struct worker *w, struct msg **m, uint64_t extra_ns) MUST_CHECK;

/** The same with an exporter, which the worker has for itself. @thread http */
struct msg *worker_ask_exporter(struct worker *w, unsigned exporter, struct msg **m,
				uint64_t deadline_ns) MUST_CHECK;

/** Hand *@m over without waiting. False: that cannot be done, and it was freed. @thread http */
bool worker_tell(struct worker *w, enum worker_lane to, struct msg **m);

#endif
