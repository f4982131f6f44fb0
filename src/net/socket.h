/*
 * The socket of a connection, which CivetWeb does not tell.
 *
 * Usage: fd = socket_find(sockets, info). Overview: a connection's two ends name it for as long as
 * it is open, and the kernel tells both of every open file that is a socket. A table says where the
 * client's port was last seen; where that is not (any more) right, all open files are asked anew,
 * but not more often than every SOCKET_SWEEP_MS, so that connections which come and go cost little.
 * Threads: all functions from any, but new and free. Ownership: the sockets stay CivetWeb's.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "util/base.h"

#define SOCKET_SWEEP_MS 100

struct mg_request_info;
struct sockets;

/** For file descriptors below @limit. @thread main */
struct sockets *sockets_new(int limit) MUST_CHECK;

/** NULL is fine. @thread main, after the workers have ended */
void sockets_free(struct sockets *s);

/* Instead of a file descriptor. */
enum socket_state {
	SOCKET_UNKNOWN = -1,
	SOCKET_NONE = -2, /* looking again would not find it */
	SOCKET_NEW = -3,  /* it was not looked for */
};

/** The file descriptor of an open connection, SOCKET_UNKNOWN or SOCKET_NONE. */
int socket_find(struct sockets *s, const struct mg_request_info *info) MUST_CHECK;

/** Nothing that was sent is still on its way to the client, so that a small answer fits. */
bool socket_is_empty(int fd) MUST_CHECK;

/** Send all of it at once, or break the connection. */
void socket_send(int fd, const char *data, size_t len);

#endif
