/*
 * CivetWeb's contexts and callbacks.
 *
 * Runs on main (start, drain, stop, free) and, in the callbacks, on CivetWeb's threads.
 *
 * Requests are served in the begin_request callback, not in a registered handler: a handler is
 * looked up under the context's mutex and released under it again, which ten thousand workers would
 * all pass through. CivetWeb's own errors (a head it cannot parse) come to on_error, so that they
 * are JSON as well.
 *
 * A worker of CivetWeb keeps a connection until it closes. While nearly all workers hold one,
 * answers close their connection, so that others get their turn (response.c), and slow clients are
 * cut off sooner (reaper.h). A connection's first head is watched; the later ones, with the time
 * before them, are bounded by CivetWeb's keep_alive_timeout_ms.
 */
#include "net/server.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "net/deferral.h"
#include "net/response.h"
#include "net/socket.h"
#include "net/state.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/stack.h"

#define API_QUEUE 1024 /* accepted connections that wait for a worker */
#define ADMIN_QUEUE 64
#define ADMIN_WORKERS 16
#define LISTEN_BACKLOG 4096 /* the kernel caps it at net.core.somaxconn */
#define HEAD_MAX 16384
#define FDS_BESIDE_HTTP 500
#define START_TIMEOUT_NS (30 * NS_PER_S)
#define POLL_MS 5
#define POKE_MS 20    /* after mg_stop has begun */
#define TYPE_WORKER 1 /* CivetWeb's word for its worker threads */

struct numbers {
	char threads[24], queue[24], backlog[24], keep_alive[24], timeout[24], head_max[24];
};

static void sleep_ms(int64_t ms)
{
	const struct timespec ts = {.tv_sec = (time_t)(ms / 1000),
				    .tv_nsec = (long)(ms % 1000) * 1000000l};
	(void)nanosleep(&ts, NULL);
}

/* What is watched of a head ends, if it is a connection's first. True: it came too slowly. */
static bool head_ended(struct worker *w)
{
	const uint64_t due_ns = w->head_due_ns;
	w->head_due_ns = 0;
	return reaper_unwatch(&w->watch) || (due_ns != 0 && clock_mono_ns() >= due_ns);
}

static int on_request(struct mg_connection *conn)
{
	struct worker *w = mg_get_thread_pointer(conn);
	struct server *s = w->server;
	const bool is_api = w->port->is_api;
	struct request r;
	(void)head_ended(w);
	deferral_settle(w);
	if (is_api)
		atomic_fetch_add(&s->active, 1); /* before draining is read, see state.h */
	if (request_open(&r, w, conn)) {
		if (is_api && atomic_load(&s->draining))
			response_error(&r, 503, "stopping", NULL, "the server is stopping");
		else
			route_request(&r);
	}
	if (r.deferred)
		return 201; /* for CivetWeb's log alone, which is off */
	ASSERT(r.status != 0);
	request_close(&r);
	if (is_api)
		atomic_fetch_sub(&s->active, 1);
	return r.status;
}

/* A head that CivetWeb cannot read. */
static int on_error(struct mg_connection *conn, int status, const char *message)
{
	(void)message;
	struct worker *w = mg_get_thread_pointer(conn);
	const bool late = head_ended(w);
	deferral_settle(w);
	struct request r = {
		.conn = conn,
		.info = mg_get_request_info(conn),
		.w = w,
		.label = ROUTE_OTHER,
		.start_ns = clock_mono_ns(),
		.now_ms = clock_wall_ms(),
		.close = true,
	};
	if (status == 413)
		response_error(&r, 431, "too_large", NULL,
			       "the request's head is larger than %d bytes", HEAD_MAX);
	else if (status == 505)
		response_error(&r, 505, "bad_request", NULL, "expected HTTP/1.0 or HTTP/1.1");
	else if (late)
		response_error(&r, 408, "request_timeout", NULL,
			       "the request's head did not arrive in time");
	else
		response_error(
			&r, 400, "bad_request", NULL,
			"the request's head is malformed, larger than %d bytes, or came too slowly",
			HEAD_MAX);
	return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
	(void)conn;
	log_warn("http", "civetweb: %s", message);
	return 1;
}

static int on_connection(const struct mg_connection *conn, void **data)
{
	struct worker *w = mg_get_thread_pointer(conn);
	(void)data;
	atomic_fetch_add_explicit(&w->port->connections, 1, memory_order_relaxed);
	if (w->port->is_api)
		metrics_add(w->metrics, M_HTTP_CONNECTIONS, 1);
	w->head_due_ns =
		clock_mono_ns() + (uint64_t)w->deps->cfg->http_request_timeout_ms * NS_PER_MS;
	reaper_watch(&w->watch, w->head_due_ns);
	return 0;
}

static void on_connection_close(const struct mg_connection *conn)
{
	struct worker *w = mg_get_thread_pointer(conn);
	deferral_settle(w);
	w->socket = SOCKET_NEW;
}

static void on_connection_closed(const struct mg_connection *conn)
{
	struct worker *w = mg_get_thread_pointer(conn);
	(void)head_ended(w);
	atomic_fetch_sub_explicit(&w->port->connections, 1, memory_order_relaxed);
	if (w->port->is_api)
		metrics_add(w->metrics, M_HTTP_CONNECTIONS, -1);
}

static void *on_thread_start(const struct mg_context *ctx, int type)
{
	struct port *port = mg_get_user_data(ctx);
	if (type != TYPE_WORKER)
		return NULL;
	const unsigned index = atomic_fetch_add(&port->started, 1);
	ASSERT(index < port->n_workers);
	struct worker *w = worker_new(port, index);
	port->workers[index] = w;
	stack_trim(); /* most workers wait for a connection, perhaps for ever */
	atomic_fetch_add_explicit(&port->ready, 1, memory_order_release);
	return w;
}

static void on_thread_end(const struct mg_context *ctx, int type, void *w)
{
	(void)ctx;
	if (type == TYPE_WORKER)
		worker_retire(w);
}

static const struct mg_callbacks callbacks = {
	.begin_request = on_request,
	.log_message = on_log,
	.connection_close = on_connection_close,
	.connection_closed = on_connection_closed,
	.http_error = on_error,
	.init_thread = on_thread_start,
	.exit_thread = on_thread_end,
	.init_connection = on_connection,
};

static int64_t files_wanted(int64_t workers)
{
	return workers + API_QUEUE + ADMIN_WORKERS + ADMIN_QUEUE + FDS_BESIDE_HTTP;
}

/* A connection is an open file; accept() failing for want of them would make CivetWeb spin. */
static void raise_file_limit(int64_t workers)
{
	const rlim_t wanted = (rlim_t)files_wanted(workers);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	const struct rlimit raised = {
		.rlim_cur = wanted,
		.rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max,
	};
	if (setrlimit(RLIMIT_NOFILE, &raised) != 0)
		die("HTTP_WORKERS=%lld needs %llu open files and the limit is %llu: raise it "
		    "(ulimit -Hn %llu, or LimitNOFILE=%llu in the systemd unit) or lower "
		    "HTTP_WORKERS",
		    (long long)workers, (unsigned long long)wanted,
		    (unsigned long long)limit.rlim_max, (unsigned long long)wanted,
		    (unsigned long long)wanted);
}

static void format_number(char out[24], int64_t n)
{
	(void)snprintf(out, 24, "%lld", (long long)n);
}

/* All workers must have started: the reaper counts on it, and less would serve less than was asked
 * for. */
static void await_workers(const struct port *port)
{
	const uint64_t deadline_ns = clock_mono_ns() + START_TIMEOUT_NS;
	while (atomic_load_explicit(&port->ready, memory_order_acquire) < port->n_workers) {
		if (clock_mono_ns() > deadline_ns)
			die("only %u of %u HTTP workers could be started: lower HTTP_WORKERS, or "
			    "raise the limits "
			    "of threads (ulimit -u, TasksMax= in the systemd unit, kernel.pid_max, "
			    "vm.max_map_count)",
			    atomic_load(&port->ready), port->n_workers);
		sleep_ms(POLL_MS);
	}
}

static void open_port(struct port *port, const char *option, const char *listen, int64_t workers,
		      int64_t queue)
{
	const struct config *cfg = port->server->deps.cfg;
	struct numbers n;
	format_number(n.threads, workers);
	format_number(n.queue, queue);
	format_number(n.backlog, LISTEN_BACKLOG);
	format_number(n.keep_alive, cfg->http_keep_alive_ms);
	format_number(n.timeout, cfg->http_request_timeout_ms);
	format_number(n.head_max, HEAD_MAX);
	const char *options[] = {
		"listening_ports",
		listen,
		"num_threads",
		n.threads,
		"connection_queue",
		n.queue,
		"listen_backlog",
		n.backlog,
		"tcp_nodelay",
		"1",
		"enable_keep_alive",
		"yes",
		"keep_alive_timeout_ms",
		n.keep_alive,
		"request_timeout_ms",
		n.timeout,
		"max_request_size",
		n.head_max,
		"decode_url",
		"no",
		"enable_auth_domain_check",
		"no", /* or POST http://host/path is dropped without an answer */
		NULL,
	};
	port->listen = listen;
	port->n_workers = (unsigned)workers;
	port->workers = xcalloc((size_t)workers, sizeof(struct worker *));
	port->routes = port->is_api ? routes_api(&port->n_routes) : routes_admin(&port->n_routes);
	port->ctx = mg_start(&callbacks, port, options);
	if (port->ctx == NULL)
		die("cannot listen on %s=%s: another process may have the port, or the address is "
		    "not this machine's",
		    option, listen);
	await_workers(port);
}

/* Connect once: CivetWeb's master looks at its stop flag only when a connection comes, or every two
 * seconds. */
static void *poke(void *arg)
{
	const struct port *port = arg;
	const char *colon = strrchr(port->listen, ':');
	char host[256], error[64];
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - port->listen), port->listen);
	sleep_ms(POKE_MS);
	struct mg_connection *conn =
		mg_connect_client(host, (int)strtol(colon + 1, NULL, 10), 0, error, sizeof(error));
	if (conn != NULL)
		mg_close_connection(conn);
	return NULL;
}

static void close_port(struct port *port)
{
	pthread_t poker;
	if (port->ctx == NULL)
		return;
	const bool poked = pthread_create(&poker, NULL, poke, port) == 0;
	mg_stop(port->ctx);
	if (poked)
		pthread_join(poker, NULL);
	port->ctx = NULL;
}

static void free_port(struct port *port)
{
	for (unsigned i = 0; i < port->n_workers; i++)
		worker_free(port->workers[i]);
	free(port->workers);
}

struct server *server_start(const struct net_deps *deps)
{
	const struct config *cfg = deps->cfg;
	struct server *s = xcalloc_aligned(1, sizeof(*s));
	s->deps = *deps;
	s->started_ms = clock_to_system_ms(clock_wall_ms());
	s->api = (struct port){.server = s, .is_api = true};
	s->admin = (struct port){.server = s, .is_api = false};
	for (int i = 0; i < HTTP_BLOCKS; i++)
		s->blocks[i] = metrics_block_new(deps->metrics);
	raise_file_limit(cfg->http_workers);
	s->sockets = sockets_new((int)files_wanted(cfg->http_workers));
	(void)mg_init_library(0); /* no TLS: that is a proxy's work */
	open_port(&s->api, "HTTP_LISTEN", cfg->http_listen, cfg->http_workers, API_QUEUE);
	open_port(&s->admin, "ADMIN_LISTEN", cfg->admin_listen, ADMIN_WORKERS, ADMIN_QUEUE);
	s->reaper = reaper_start(&s->api, &s->admin, cfg);
	log_info("http", "serving| api=%s admin=%s workers=%lld", cfg->http_listen,
		 cfg->admin_listen, (long long)cfg->http_workers);
	return s;
}

void server_drain(struct server *s)
{
	atomic_store(&s->draining, true); /* seq_cst, see state.h */
}

void server_stop(struct server *s)
{
	const uint64_t deadline_ns =
		clock_mono_ns() + (uint64_t)s->deps.cfg->shutdown_timeout_ms / 2 * NS_PER_MS;
	server_drain(s);
	while (atomic_load(&s->active) > 0 && clock_mono_ns() < deadline_ns)
		sleep_ms(POLL_MS);
	if (atomic_load(&s->active) > 0)
		log_warn("http", "requests are still running, cutting them off| active=%d",
			 atomic_load(&s->active));
	close_port(&s->api);
}

void server_free(struct server *s)
{
	close_port(&s->admin);
	(void)mg_exit_library();
	reaper_stop(s->reaper);
	free_port(&s->api);
	free_port(&s->admin);
	sockets_free(s->sockets);
	free(s);
}
