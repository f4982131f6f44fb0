/*
 * Finding and using a connection's socket beside CivetWeb.
 *
 * Runs on CivetWeb's workers (find, is_empty) and on the actors that answer (send). The table's
 * cells are hints, which are checked; relaxed order is enough.
 */
#include "net/socket.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/clock.h"

#define PORTS 65536

struct sockets {
	/* set at start, then read-only */
	int limit;

	/* shared */
	_Atomic uint64_t sweep_ns; /* the next one is due; monotonic */
	_Atomic int by_port[PORTS];
};

struct sockets *sockets_new(int limit)
{
	struct sockets *s = xcalloc_aligned(1, sizeof(*s));
	s->limit = limit;
	return s;
}

void sockets_free(struct sockets *s)
{
	free(s);
}

static bool read_peer(int fd, struct sockaddr_in *peer)
{
	socklen_t len = sizeof(*peer);
	return getpeername(fd, (struct sockaddr *)peer, &len) == 0 && peer->sin_family == AF_INET;
}

/* Both ends: a connection that we opened may lead where a client's comes from. */
static bool is_connection(int fd, const struct mg_request_info *info)
{
	struct in_addr client;
	struct sockaddr_in peer, own = {0};
	socklen_t len = sizeof(own);
	return inet_pton(AF_INET, info->remote_addr, &client) == 1 && read_peer(fd, &peer) &&
	       peer.sin_addr.s_addr == client.s_addr && ntohs(peer.sin_port) == info->remote_port &&
	       getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       ntohs(own.sin_port) == info->server_port;
}

static bool is_sweep_due(struct sockets *s)
{
	const uint64_t now_ns = clock_mono_ns();
	uint64_t due_ns = atomic_load_explicit(&s->sweep_ns, memory_order_relaxed);
	return now_ns >= due_ns &&
	       atomic_compare_exchange_strong(&s->sweep_ns, &due_ns,
					      now_ns + SOCKET_SWEEP_MS * NS_PER_MS);
}

static void sweep(struct sockets *s)
{
	struct sockaddr_in peer;
	for (int fd = 0; fd < s->limit; fd++) {
		if (read_peer(fd, &peer))
			atomic_store_explicit(&s->by_port[ntohs(peer.sin_port)], fd,
					      memory_order_relaxed);
	}
}

int socket_find(struct sockets *s, const struct mg_request_info *info)
{
	const _Atomic int *cell = &s->by_port[(unsigned)info->remote_port % PORTS];
	int fd = atomic_load_explicit(cell, memory_order_relaxed);
	if (is_connection(fd, info))
		return fd;
	if (!is_sweep_due(s))
		return SOCKET_UNKNOWN;
	sweep(s);
	fd = atomic_load_explicit(cell, memory_order_relaxed);
	return is_connection(fd, info) ? fd : SOCKET_NONE; /* perhaps two clients with one port */
}

bool socket_is_empty(int fd)
{
	int unacknowledged = 0;
	return ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
}

void socket_send(int fd, const char *data, size_t len)
{
	const ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 || (size_t)n < len)
		(void)shutdown(fd, SHUT_RDWR); /* the client must not wait for the rest */
}
