/*
 * Offers single clicks over keep-alive connections at a constant rate, whatever the server does.
 *
 *	offer ADDRESS PORT RATE CONNECTIONS RUN >samples
 *
 * One thread. Open loop: request number i is due at start + i / RATE, and its latency counts from
 * then, so that waiting for a free connection is part of it. Connections are opened as they are
 * needed, CONNECTIONS at the most; beyond, requests wait. A click's id is made of RUN (eight hex
 * digits) and its number, so that the caller can tell which ones were accepted. SIGTERM ends it
 * when the answers to what was sent have come.
 *
 * For each request one line: number, due (CLOCK_MONOTONIC, s), latency (us), status; status 0 means
 * no answer: a broken connection, or none within TIMEOUT_S.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define TIMEOUT_S 15
#define REQUEST_MAX 768
#define ANSWER_MAX 4096
#define EVENTS 256
#define USERS 5000

struct connection {
	int fd; /* -1: closed */
	bool busy;
	uint64_t number, due_ns;
	size_t out_len, out_at;
	size_t in_len;
	char out[REQUEST_MAX];
	char in[ANSWER_MAX];
};

struct offer {
	struct sockaddr_in address;
	const char *run;
	double rate;
	struct connection *all;
	int *idle; /* stack of indices: open ones are taken first */
	int n, n_idle;
	int epoll;
	uint64_t start_ns, sent, done;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t due_ns(const struct offer *o, uint64_t number)
{
	return o->start_ns + (uint64_t)((double)number / o->rate * NS_PER_S);
}

static void close_connection(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool open_connection(struct offer *o, struct connection *c)
{
	const int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&o->address, sizeof(o->address)) != 0 &&
	    errno != EINPROGRESS) {
		close_connection(c);
		return false;
	}
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	return epoll_ctl(o->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

/* The request is over; the connection is free for the next one, or closed. */
static void finish(struct offer *o, struct connection *c, int status, bool keep)
{
	printf("%llu %.6f %llu %d\n", (unsigned long long)c->number, (double)c->due_ns / NS_PER_S,
	       (unsigned long long)(now_ns(CLOCK_MONOTONIC) - c->due_ns) / 1000, status);
	if (!keep)
		close_connection(c);
	c->busy = false;
	c->in_len = c->out_len = c->out_at = 0;
	o->idle[o->n_idle++] = (int)(c - o->all);
	o->done++;
}

static void push_out(struct offer *o, struct connection *c)
{
	while (c->out_at < c->out_len) {
		const ssize_t n =
			send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINPROGRESS && errno != ENOTCONN)
				finish(o, c, 0, false);
			return;
		}
		c->out_at += (size_t)n;
	}
}

static void write_request(const struct offer *o, struct connection *c)
{
	char date[32], body[512];
	const uint64_t wall = now_ns(CLOCK_REALTIME);
	const time_t s = (time_t)(wall / NS_PER_S);
	struct tm tm;
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	const int n = snprintf(body, sizeof(body),
			       "{\"click_id\":\"%s-0000-4000-8000-%012llx\","
			       "\"campaign_id\":\"00000000-0000-4000-8000-%012llx\","
			       "\"user_id\":\"11111111-0000-4000-8000-%012llx\","
			       "\"click_date\":\"%s.%03uZ\",\"source\":\"newsletter\"}",
			       o->run, (unsigned long long)c->number,
			       (unsigned long long)(c->number % 10 + 1),
			       (unsigned long long)(c->number * 7919 % USERS), date,
			       (unsigned)(wall / 1000000 % 1000));
	c->out_at = 0;
	c->out_len =
		(size_t)snprintf(c->out, sizeof(c->out),
				 "POST /api/events/click HTTP/1.1\r\nHost: offer\r\n"
				 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				 n, body);
}

/* Send the next request if a connection is free. */
static bool offer_one(struct offer *o)
{
	if (o->n_idle == 0)
		return false;
	struct connection *c = &o->all[o->idle[--o->n_idle]];
	c->busy = true;
	c->number = o->sent;
	c->due_ns = due_ns(o, o->sent++);
	write_request(o, c);
	if (c->fd < 0 && !open_connection(o, c))
		finish(o, c, 0, false);
	else
		push_out(o, c);
	return true;
}

/* Is a whole answer there? Its status, or 0. */
static int answered(struct connection *c, bool *keep)
{
	c->in[c->in_len] = '\0';
	const char *end = strstr(c->in, "\r\n\r\n");
	const char *length = strcasestr(c->in, "\r\nContent-Length:");
	if (end == NULL || length == NULL || length > end)
		return 0;
	const size_t whole = (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10);
	if (c->in_len < whole)
		return 0;
	const char *close = strcasestr(c->in, "\r\nConnection: close");
	*keep = close == NULL || close > end;
	return (int)strtol(c->in + 9, NULL, 10);
}

static void take_in(struct offer *o, struct connection *c)
{
	for (;;) {
		const size_t room = sizeof(c->in) - 1 - c->in_len;
		const ssize_t n = room > 0 ? recv(c->fd, c->in + c->in_len, room, 0) : 0;
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return;
		if (n <= 0) {
			if (c->busy)
				finish(o, c, 0, false);
			else
				close_connection(c);
			return;
		}
		c->in_len += (size_t)n;
		bool keep = false;
		const int status = answered(c, &keep);
		if (status != 0) {
			finish(o, c, status, keep);
			return;
		}
	}
}

static void give_up_on_old(struct offer *o)
{
	const uint64_t now = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < o->n; i++) {
		if (o->all[i].busy && now > o->all[i].due_ns + TIMEOUT_S * NS_PER_S)
			finish(o, &o->all[i], 0, false);
	}
}

static void turn(struct offer *o, int wait_ms)
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(o->epoll, events, EVENTS, wait_ms);
	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;
		if (c->fd >= 0 && c->busy && (events[i].events & EPOLLOUT))
			push_out(o, c);
		if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
			take_in(o, c);
	}
}

static void run(struct offer *o)
{
	uint64_t checked_ns = 0;
	while (!stopping || o->done < o->sent) {
		const uint64_t now = now_ns(CLOCK_MONOTONIC);
		while (!stopping && due_ns(o, o->sent) <= now && offer_one(o))
			;
		if (now - checked_ns > NS_PER_S) {
			checked_ns = now;
			give_up_on_old(o);
		}
		/* a millisecond is the grain of epoll_wait; what is late by less is not seen */
		turn(o, 1);
	}
}

int main(int argc, char **argv)
{
	struct offer o = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct rlimit limit;
	if (argc != 6) {
		fprintf(stderr, "usage: offer ADDRESS PORT RATE CONNECTIONS RUN >samples\n");
		return 2;
	}
	o.address.sin_family = AF_INET;
	o.address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	inet_pton(AF_INET, argv[1], &o.address.sin_addr);
	o.rate = strtod(argv[3], NULL);
	o.n = o.n_idle = (int)strtol(argv[4], NULL, 10);
	o.run = argv[5];
	o.all = calloc((size_t)o.n, sizeof(*o.all));
	o.idle = calloc((size_t)o.n, sizeof(*o.idle));
	if (o.epoll < 0 || o.all == NULL || o.idle == NULL) {
		perror("offer");
		abort();
	}
	for (int i = 0; i < o.n; i++) {
		o.all[i].fd = -1;
		o.idle[i] = o.n - 1 - i;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	o.start_ns = now_ns(CLOCK_MONOTONIC);
	run(&o);
	free(o.all);
	free(o.idle);
	return fflush(stdout) == 0 ? 0 : 1;
}
