/*
 * Answers that a worker leaves to the actor which has them.
 *
 * Usage: if (deferral_fits(r)) deferral_start(r, &m, deadline_ns, conclude); the handler then
 * returns without an answer. Overview: a worker that sleeps until its event is acknowledged costs
 * two switches of threads and a wake-up for each request. It lets CivetWeb read the connection's
 * next request instead, and the actor that answers the message calls conclude, which writes the
 * answer to the socket itself. Whatever is done with the connection next waits for that first:
 * deferral_settle. Where that is not possible (a request that ends its connection, a client that
 * does not read, a socket that was not found) the worker waits. Threads: as said below. Ownership:
 * a deferral belongs to its worker; from start to its conclusion the worker's answer buffer is the
 * actor's.
 */
#ifndef NET_DEFERRAL_H
#define NET_DEFERRAL_H

#include "domain/msg.h"
#include "net/request.h"

struct deferral;

/** Answers @r, whose connection stays open, by the message that came back, which it frees; NULL: it
 * did not in time. Must not touch r->conn nor r->info. @thread any */
typedef void deferral_fn(struct request *r, struct msg *m);

/** May the answer be written by somebody else? @thread http */
bool deferral_fits(const struct request *r) MUST_CHECK;

/** Hand *@m to the producer, and the request to @conclude, at @deadline_ns at the latest. The
 * request is a copy there; this one must not be answered. @thread http */
void deferral_start(struct request *r, struct msg **m, uint64_t deadline_ns, deferral_fn *conclude);

/** Sleep until the connection's last request was answered. @thread http */
void deferral_settle(struct worker *w);

/** Answer what has waited until its deadline. @thread any */
void deferral_expire(struct worker *w, uint64_t now_ns);

/** The answer's bytes. @thread that which concludes */
void deferral_write(const struct request *r, const char *data, size_t len);

void deferral_free(struct deferral *d);

#endif
