/*
 * What the files of this folder share of the running server. Nobody outside net/ includes it.
 *
 * Overview: a port is one CivetWeb context with its table of routes; the API has many workers, the
 * admin port a few. The counters here are written by all workers. Threads: fields that are not
 * atomic are set before the first worker starts, but for what is said below.
 */
#ifndef NET_STATE_H
#define NET_STATE_H

#include <stdatomic.h>

#include "net/reaper.h"
#include "net/routes.h"
#include "net/server.h"

#define HTTP_BLOCKS 32	  /* metrics blocks that the workers share */
#define BIG_BODIES_MAX 64 /* bodies larger than BODY_MAX_BYTES held in memory at the same time */

/* X(status, reason); every status that is ever sent. */
#define STATUS_LIST(X)                                                                             \
	X(200, "OK")                                                                               \
	X(201, "Created")                                                                          \
	X(304, "Not Modified")                                                                     \
	X(400, "Bad Request")                                                                      \
	X(404, "Not Found")                                                                        \
	X(405, "Method Not Allowed")                                                               \
	X(408, "Request Timeout")                                                                  \
	X(409, "Conflict")                                                                         \
	X(412, "Precondition Failed")                                                              \
	X(413, "Content Too Large")                                                                \
	X(415, "Unsupported Media Type")                                                           \
	X(417, "Expectation Failed")                                                               \
	X(431, "Request Header Fields Too Large")                                                  \
	X(500, "Internal Server Error")                                                            \
	X(503, "Service Unavailable")                                                              \
	X(505, "HTTP Version Not Supported")

#define STATUS_INDEX(status, reason) STATUS_##status,
enum status_index { STATUS_LIST(STATUS_INDEX) STATUSES };
#undef STATUS_INDEX

struct mg_context;
struct worker;

struct port {
	struct server *server;
	const struct route *routes;
	size_t n_routes;
	bool is_api;
	const char *listen; /* host:port, borrowed from the configuration */
	struct mg_context *ctx;

	unsigned n_workers;
	struct worker **workers;  /* each slot written by its worker at start */
	_Atomic unsigned started; /* slots taken; seq_cst, since it hands out slots */
	_Atomic unsigned ready; /* slots filled; release, read with acquire before a slot is used */
	_Atomic int connections; /* that hold a worker; relaxed, nothing is ordered by it */
};

/* How many more than nine tenths of the workers hold a connection. Above 0 the port is busy: others
 * may be waiting, or soon be, for a worker. */
static inline int64_t port_lacks(const struct port *port)
{
	const int held = atomic_load_explicit(&port->connections, memory_order_relaxed);
	return held - (int64_t)port->n_workers * 9 / 10;
}

/*
 * The atomics below are independent counters and one flag. Relaxed order is enough for the
 * counters, which nothing else is ordered by. `draining` and `active` are sequentially consistent:
 * a worker raises `active` before it reads `draining`, the stopping thread sets `draining` before
 * it reads `active`, so a request is either refused or waited for.
 */
struct server {
	struct net_deps deps;
	struct port api;
	struct port admin;
	struct reaper *reaper;
	struct sockets *sockets;
	struct metrics *blocks[HTTP_BLOCKS];
	int64_t started_ms; /* the system's wall clock */

	_Atomic bool draining;
	_Atomic int active; /* API requests between their first and last byte */
	_Atomic int big_bodies;
	_Atomic uint32_t exports; /* the exporters that serve an export, a bit each; seq_cst: a bit
				     is handed from worker to worker */
	_Atomic uint64_t counts[ROUTE_LABELS][STATUSES]; /* answers, for /metrics */
};

#endif
