/*
 * POST of a single click or conversion.
 *
 * Overview: 201 is sent only after the producer reported the acknowledgement of all in-sync
 * replicas. Threads: the worker that serves the request.
 */
#ifndef NET_INGEST_H
#define NET_INGEST_H

#include "domain/event.h"

struct outbox;
struct request;

#define INGEST_RETRY                                                                               \
	"not known to be stored; repeating it with the same id and the same time is safe"

void ingest_click(struct request *r);
void ingest_conversion(struct request *r);
void ingest_adjustment(struct request *r);

/** Read and check an event as it comes from a client. @thread http */
bool ingest_read(const struct request *r, enum event_kind kind, const cJSON *object,
		 struct event *out, struct event_error *error) MUST_CHECK;

/**
 * Hand the events of @ob to the producer and wait for the acknowledgement. NULL: nothing is known
 * of any of them; else the message with a status for each, which the caller frees. Counts the wait.
 * @thread http
 */
struct msg *ingest_produce(struct request *r, const struct outbox *ob) MUST_CHECK;

#endif
