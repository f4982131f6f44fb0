/*
 * POST of many events in one body: a JSON array, or NDJSON with one event in each line.
 *
 * Overview: each element is an event with one more key, "event": "click" or "conversion". A bad
 * element is rejected by itself; all good ones go to the producer in one message. The answer tells
 * the fate of each by its index. Only a body that is no array at all, or too large, is refused as a
 * whole. Threads: the worker that serves the request.
 */
#ifndef NET_BULK_H
#define NET_BULK_H

struct request;

void bulk_ingest(struct request *r);

#endif
