/*
 * What operators and their tools ask on the admin port: metrics, liveness, readiness.
 *
 * Threads: the admin port's few workers.
 */
#ifndef NET_ADMIN_H
#define NET_ADMIN_H

struct request;

/** Everything in the Prometheus text format. */
void admin_metrics(struct request *r);

/** 200 as long as the process answers. */
void admin_livez(struct request *r);

/** 200 while events can be accepted (perhaps degraded), 503 while not. */
void admin_readyz(struct request *r);

#endif
