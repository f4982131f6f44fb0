/*
 * Many keep-alive clients, slow ones among them: do the good ones suffer?
 *
 *     build/clients --good 12000 --rate 2000 --slow 2000 --seconds 60 >result.json
 *
 * Good clients send one click each on a connection they keep, at times fixed beforehand (open loop,
 * with jitter); latency counts from that time, whatever the server or this program is late with. A
 * connection that the server closed between requests is opened anew for the next one; a request
 * that met such a close is sent again once, at once, with the same id. Slow clients send one byte a
 * second, half of them in the head and half in the body, for ever; when cut off they come back.
 * Both health pages are fetched every 100 ms on new connections. One thread, one epoll; the result
 * is one line of JSON, times in ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define PROBE_EVERY_NS (100 * NS_PER_MS)
#define SLOW_EVERY_NS NS_PER_S
#define DRAIN_NS (15 * NS_PER_S)
#define STARVED_NS (5 * NS_PER_S)
#define ANSWER_MAX 1024
#define EVENTS_MAX 512
#define STATUS_MAX 600
#define CAMPAIGNS 20

enum kind { GOOD, SLOW_HEAD, SLOW_BODY, PROBE };

struct client {
	enum kind kind;
	int fd;		 /* -1: no connection */
	bool connecting; /* not established yet */
	bool used;	 /* the connection has carried an answer */
	bool busy;	 /* a request is due and not answered */
	bool resent;
	uint64_t due_ns; /* when the current or next request is due; a slow one: its next byte */
	uint64_t opened_ns;
	char id[37];	  /* of the current click */
	const char *path; /* of a probe */
	size_t len;
	char answer[ANSWER_MAX];
};

struct timer {
	uint64_t at_ns;
	struct client *c;
};

struct latencies {
	uint64_t *ns;
	size_t n, cap;
	uint64_t max_ns;
	uint64_t errors;
	uint64_t starved;
};

static struct {
	struct sockaddr_in api, admin;
	size_t good, slow;
	double rate, seconds, ramp;
	bool eager; /* open a closed connection at once, not for the next request */

	int epoll;
	struct client *clients;
	size_t n_clients;
	struct timer *heap;
	size_t n_heap;
	uint64_t random;
	uint64_t from_ns, until_ns; /* requests due in between are measured */
	bool draining;

	struct latencies clicks, health;
	uint64_t late_max_ns; /* of this program with its own sending */
	uint64_t sent, closed_by_answer, closed_idle, resent, connects, connect_errors;
	uint64_t slow_opened, slow_silent, slow_held_max_ns;
	uint64_t statuses[STATUS_MAX], slow_statuses[STATUS_MAX];
	char campaigns[CAMPAIGNS][37];
} g;

static void die(const char *what)
{
	fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: plenty for jitter and ids. */
static uint64_t random_next(void)
{
	g.random ^= g.random >> 12;
	g.random ^= g.random << 25;
	g.random ^= g.random >> 27;
	return g.random * 2685821657736338717ull;
}

static void random_id(char out[37])
{
	const uint64_t a = random_next(), b = random_next();
	snprintf(out, 37, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32),
		 (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52),
		 (unsigned long long)b & 0xffffffffffffull);
}

/* --- timers: a heap; each client has at most one ------------------------------------------- */

static void timer_add(struct client *c, uint64_t at_ns)
{
	size_t i = g.n_heap++;
	while (i > 0 && g.heap[(i - 1) / 2].at_ns > at_ns) {
		g.heap[i] = g.heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	g.heap[i] = (struct timer){at_ns, c};
}

static struct client *timer_take(void)
{
	struct client *first = g.heap[0].c;
	const struct timer last = g.heap[--g.n_heap];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < g.n_heap) {
		if (child + 1 < g.n_heap && g.heap[child + 1].at_ns < g.heap[child].at_ns)
			child++;
		if (last.at_ns <= g.heap[child].at_ns)
			break;
		g.heap[i] = g.heap[child];
		i = child;
	}
	g.heap[i] = last;
	return first;
}

/* --- what was measured ----------------------------------------------------------------------- */

static void record(struct latencies *l, uint64_t due_ns, bool ok)
{
	if (due_ns < g.from_ns || due_ns >= g.until_ns)
		return;
	const uint64_t took_ns = now_ns() - due_ns;
	if (!ok)
		l->errors++;
	if (took_ns > l->max_ns)
		l->max_ns = took_ns;
	if (took_ns >= STARVED_NS)
		l->starved++;
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 65536 : l->cap * 2;
		l->ns = realloc(l->ns, l->cap * sizeof(*l->ns));
		if (l->ns == NULL)
			die("memory");
	}
	l->ns[l->n++] = took_ns;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double ms_at(const struct latencies *l, double q)
{
	return l->n == 0 ? 0 : (double)l->ns[(size_t)((double)(l->n - 1) * q)] / 1e6;
}

/* --- connections ------------------------------------------------------------------------------ */

static void open_connection(struct client *c)
{
	const int one = 1;
	struct sockaddr_in *to = c->kind == PROBE ? &g.admin : &g.api;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->used = false;
	c->len = 0;
	c->connecting = true;
	c->opened_ns = now_ns();
	if (c->kind == GOOD)
		g.connects++;
	(void)connect(c->fd, (struct sockaddr *)to, sizeof(*to)); /* its outcome comes by epoll */
	struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
	if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
		die("epoll_ctl");
}

static void close_connection(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->connecting = false;
}

static void send_text(const struct client *c, const char *text, size_t len)
{
	if (send(c->fd, text, len, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		die("a socket's buffer is full"); /* other failures come as readable */
}

static void send_click(struct client *c)
{
	char date[32], body[512], text[1024];
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	const int n = snprintf(body, sizeof(body),
			       "{\"click_id\":\"%s\",\"campaign_id\":\"%s\",\"user_id\":\"%s\","
			       "\"click_date\":\"%s\",\"source\":\"clients\"}",
			       c->id, g.campaigns[random_next() % CAMPAIGNS], c->id, date);
	const int len = snprintf(text, sizeof(text),
				 "POST /api/clicks HTTP/1.1\r\nHost: load\r\n"
				 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				 n, body);
	send_text(c, text, (size_t)len);
	g.sent++;
}

static void send_request(struct client *c)
{
	const uint64_t late_ns = now_ns() - c->due_ns;
	char text[128];
	if (c->kind == GOOD) {
		if (!c->resent && c->used && late_ns > g.late_max_ns)
			g.late_max_ns = late_ns;
		send_click(c);
		return;
	}
	const int len =
		snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n", c->path);
	send_text(c, text, (size_t)len);
}

/* --- good clients and probes ---------------------------------------------------------------- */

static void request_done(struct client *c, bool ok)
{
	const bool probe = c->kind == PROBE;
	const double period_ns = (double)g.good / g.rate * 1e9;
	record(probe ? &g.health : &g.clicks, c->due_ns, ok);
	c->busy = false;
	c->resent = false;
	if (probe) /* one at a time: a late one delays the next, but is not counted for it again */
		c->due_ns = c->due_ns + PROBE_EVERY_NS > now_ns() ? c->due_ns + PROBE_EVERY_NS
								  : now_ns();
	else
		c->due_ns += (uint64_t)(period_ns * (0.5 + (double)(random_next() >> 11) / 0x1p53));
	if (c->due_ns < g.until_ns)
		timer_add(c, c->due_ns);
}

/* The connection ended without an answer. */
static void good_lost(struct client *c)
{
	const bool was_used = c->used;
	close_connection(c);
	if (!c->busy) {
		g.closed_idle++;
		if (g.eager && !g.draining)
			open_connection(c);
	} else if (was_used && !c->resent) {
		c->resent = true;
		g.resent++;
		open_connection(c);
	} else {
		g.connect_errors++;
		request_done(c, false);
	}
}

/* True once @c's answer is there whole; *status and *close say what it is. */
static bool answer_is_whole(const struct client *c, int *status, bool *closes)
{
	const char *end = strstr(c->answer, "\r\n\r\n");
	const char *length = strstr(c->answer, "Content-Length: ");
	if (end == NULL || length == NULL || length > end ||
	    c->len < (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10))
		return false;
	const char *close_field = strstr(c->answer, "Connection: close");
	*status = (int)strtol(c->answer + strlen("HTTP/1.1 "), NULL, 10);
	*closes = close_field != NULL && close_field < end;
	if (*status < 0 || *status >= STATUS_MAX)
		*status = 0;
	return true;
}

static void good_answered(struct client *c, int status, bool closes)
{
	c->len = 0;
	c->used = true;
	if (c->kind == GOOD)
		g.statuses[status]++;
	if (closes) {
		close_connection(c);
		if (c->kind == GOOD)
			g.closed_by_answer++;
		if (g.eager && c->kind == GOOD && !g.draining)
			open_connection(c);
	}
	if (c->busy)
		request_done(c, status == (c->kind == GOOD ? 201 : 200));
}

static void good_due(struct client *c)
{
	c->busy = true;
	if (c->kind == GOOD)
		random_id(c->id);
	if (c->fd < 0)
		open_connection(c);
	else if (!c->connecting)
		send_request(c);
}

/* --- slow clients ------------------------------------------------------------------------------
 */

static void slow_send(const struct client *c, bool first)
{
	static const char head[] = "POST /api/clicks HTTP/1.1\r\nHost: slow\r\nX-Slow: ";
	static const char whole[] =
		"POST /api/clicks HTTP/1.1\r\nHost: slow\r\n"
		"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n";
	if (first && c->kind == SLOW_BODY)
		send_text(c, whole, strlen(whole));
	else if (first)
		send_text(c, head, strlen(head));
	else
		send_text(c, "a", 1);
}

/* It was cut off, with an answer or without, and comes back, but not in a tight loop. */
static void slow_cut(struct client *c, int status)
{
	const uint64_t held_ns = now_ns() - c->opened_ns;
	if (status != 0)
		g.slow_statuses[status]++;
	else
		g.slow_silent++;
	if (held_ns > g.slow_held_max_ns)
		g.slow_held_max_ns = held_ns;
	close_connection(c);
	if (held_ns >= SLOW_EVERY_NS && !g.draining) {
		g.slow_opened++;
		open_connection(c); /* its timer runs on */
	}
}

static void slow_due(struct client *c)
{
	if (g.draining)
		return;
	if (c->fd < 0) {
		g.slow_opened++;
		open_connection(c);
	} else if (!c->connecting) {
		slow_send(c, false);
	}
	c->due_ns += SLOW_EVERY_NS;
	timer_add(c, c->due_ns);
}

/* --- the loop -------------------------------------------------------------------------------- */

static bool is_slow(const struct client *c)
{
	return c->kind == SLOW_HEAD || c->kind == SLOW_BODY;
}

static void connected(struct client *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	if (error != 0) {
		if (is_slow(c))
			slow_cut(c, 0);
		else
			good_lost(c);
		return;
	}
	c->connecting = false;
	if (epoll_ctl(g.epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
		die("epoll_ctl");
	if (is_slow(c))
		slow_send(c, true);
	else if (c->busy)
		send_request(c);
}

static void readable(struct client *c)
{
	int status = 0;
	bool closes = false;
	const ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_MAX - 1 - c->len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		c->len += (size_t)n;
		c->answer[c->len] = '\0';
		if (!answer_is_whole(c, &status, &closes))
			return;
	}
	if (is_slow(c))
		slow_cut(c, status);
	else if (n > 0)
		good_answered(c, status, closes);
	else
		good_lost(c);
}

static void run_timers(void)
{
	const uint64_t now = now_ns();
	while (g.n_heap > 0 && g.heap[0].at_ns <= now) {
		struct client *c = timer_take();
		if (is_slow(c))
			slow_due(c);
		else
			good_due(c);
	}
}

static bool is_done(uint64_t now)
{
	if (now < g.until_ns)
		return false;
	g.draining = true;
	if (now > g.until_ns + DRAIN_NS)
		return true;
	for (size_t i = 0; i < g.n_clients; i++)
		if (g.clients[i].busy)
			return false;
	return true;
}

static void loop(void)
{
	struct epoll_event events[EVENTS_MAX];
	for (;;) {
		run_timers();
		const uint64_t now = now_ns();
		if (is_done(now))
			return;
		int wait_ms = 100;
		if (g.n_heap > 0 && g.heap[0].at_ns < now + 100 * NS_PER_MS)
			wait_ms = g.heap[0].at_ns <= now
					  ? 0
					  : (int)((g.heap[0].at_ns - now) / NS_PER_MS) + 1;
		const int n = epoll_wait(g.epoll, events, EVENTS_MAX, wait_ms);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (c->connecting)
				connected(c);
			else
				readable(c);
		}
	}
}

/* --- start and result ------------------------------------------------------------------------ */

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char host[64];
	const char *colon = strrchr(text, ':');
	errno = EINVAL;
	if (colon == NULL)
		die(text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	a.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die(text);
	return a;
}

static void add_client(enum kind kind, const char *path, uint64_t at_ns)
{
	struct client *c = &g.clients[g.n_clients++];
	c->kind = kind;
	c->fd = -1;
	c->path = path;
	c->due_ns = at_ns;
	timer_add(c, at_ns);
}

/* Good and slow clients come evenly over the ramp. */
static void make_clients(void)
{
	const uint64_t start_ns = now_ns();
	const double ramp_ns = g.ramp * 1e9;
	g.from_ns = start_ns + (uint64_t)ramp_ns + 5 * NS_PER_S;
	g.until_ns = g.from_ns + (uint64_t)(g.seconds * 1e9);
	g.clients = calloc(g.good + g.slow + 2, sizeof(*g.clients));
	g.heap = calloc(g.good + g.slow + 2, sizeof(*g.heap));
	if (g.clients == NULL || g.heap == NULL)
		die("memory");
	for (size_t i = 0; i < g.good; i++)
		add_client(GOOD, NULL, start_ns + (uint64_t)(ramp_ns * (double)i / (double)g.good));
	for (size_t i = 0; i < g.slow; i++)
		add_client(i % 2 == 0 ? SLOW_HEAD : SLOW_BODY, NULL,
			   start_ns + (uint64_t)(ramp_ns * (double)i / (double)g.slow));
	add_client(PROBE, "/livez", start_ns);
	add_client(PROBE, "/readyz", start_ns + PROBE_EVERY_NS / 2);
	for (int i = 0; i < CAMPAIGNS; i++)
		random_id(g.campaigns[i]);
}

static void print_statuses(const char *name, const uint64_t *counts)
{
	const char *comma = "";
	printf(",\"%s\":{", name);
	for (int i = 0; i < STATUS_MAX; i++) {
		if (counts[i] == 0)
			continue;
		printf("%s\"%d\":%llu", comma, i, (unsigned long long)counts[i]);
		comma = ",";
	}
	printf("}");
}

static void print_latencies(const char *name, struct latencies *l)
{
	qsort(l->ns, l->n, sizeof(*l->ns), compare);
	printf("\"%s\":{\"n\":%zu,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%."
	       "2f,"
	       "\"starved_5s\":%llu,\"errors\":%llu}",
	       name, l->n, ms_at(l, 0.5), ms_at(l, 0.9), ms_at(l, 0.99), ms_at(l, 0.999),
	       (double)l->max_ns / 1e6, (unsigned long long)l->starved,
	       (unsigned long long)l->errors);
}

static void print_result(double wall_s)
{
	struct rusage use;
	double load[3] = {0};
	for (size_t i = 0; i < g.n_clients; i++) /* those never answered */
		if (!is_slow(&g.clients[i]) && g.clients[i].busy)
			record(g.clients[i].kind == PROBE ? &g.health : &g.clicks,
			       g.clients[i].due_ns, false);
	(void)getloadavg(load, 3);
	getrusage(RUSAGE_SELF, &use);
	const double cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
			     (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	printf("{\"good\":%zu,\"slow\":%zu,\"seconds\":%.0f,\"per_second\":%.0f,", g.good, g.slow,
	       g.seconds, (double)g.clicks.n / g.seconds);
	print_latencies("clicks", &g.clicks);
	printf(",");
	print_latencies("health", &g.health);
	print_statuses("answers", g.statuses);
	printf(",\"connects\":%llu,\"closed_by_answer\":%llu,\"closed_idle\":%llu,\"resent\":%llu,"
	       "\"lost\":%llu,\"slow_opened\":%llu,\"slow_cut_silently\":%llu,"
	       "\"slow_held_max\":%.0f",
	       (unsigned long long)g.connects, (unsigned long long)g.closed_by_answer,
	       (unsigned long long)g.closed_idle, (unsigned long long)g.resent,
	       (unsigned long long)g.connect_errors, (unsigned long long)g.slow_opened,
	       (unsigned long long)g.slow_silent, (double)g.slow_held_max_ns / 1e6);
	print_statuses("slow_answers", g.slow_statuses);
	printf(",\"own_lateness_max\":%.2f,\"own_cpu\":%.3f,\"load_average\":%.2f}\n",
	       (double)g.late_max_ns / 1e6, cpu_s / wall_s, load[0]);
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"api", required_argument, NULL, 'a'},
		{"admin", required_argument, NULL, 'm'},
		{"good", required_argument, NULL, 'g'},
		{"slow", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 't'},
		{"ramp", required_argument, NULL, 'u'},
		{"eager", no_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	int opt;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'a')
			g.api = address_of(optarg);
		else if (opt == 'm')
			g.admin = address_of(optarg);
		else if (opt == 'g')
			g.good = strtoul(optarg, NULL, 10);
		else if (opt == 's')
			g.slow = strtoul(optarg, NULL, 10);
		else if (opt == 'r')
			g.rate = strtod(optarg, NULL);
		else if (opt == 't')
			g.seconds = strtod(optarg, NULL);
		else if (opt == 'u')
			g.ramp = strtod(optarg, NULL);
		else if (opt == 'e')
			g.eager = true;
		else
			exit(2);
	}
	errno = EINVAL;
	if (optind != argc || g.good == 0 || g.rate <= 0 || g.seconds <= 0)
		die("usage: clients [--api HOST:PORT] [--admin HOST:PORT] [--good N] [--slow N] "
		    "[--rate PER_S] [--seconds S] [--ramp S] [--eager]");
}

int main(int argc, char **argv)
{
	g.api = address_of("127.0.0.1:8080");
	g.admin = address_of("127.0.0.1:8081");
	g.good = 12000;
	g.rate = 2000;
	g.seconds = 30;
	g.ramp = 10;
	g.random = now_ns() | 1;
	read_options(argc, argv);
	const rlim_t files = g.good + g.slow + 64;
	struct rlimit limit = {.rlim_cur = files, .rlim_max = files};
	struct rlimit old;
	if (getrlimit(RLIMIT_NOFILE, &old) == 0 && old.rlim_cur < files) {
		if (old.rlim_max > files)
			limit.rlim_max = old.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			die("the limit of open files (ulimit -Hn) is too low");
	}
	g.epoll = epoll_create1(0);
	if (g.epoll < 0)
		die("epoll_create1");
	make_clients();
	const uint64_t start_ns = now_ns();
	loop();
	print_result((double)(now_ns() - start_ns) / 1e9);
	return 0;
}
