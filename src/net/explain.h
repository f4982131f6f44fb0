/*
 * GET of a conversion's explanation, and of an event's trace.
 *
 * Overview: a query actor answers both from PostgreSQL. Threads: CivetWeb's workers.
 */
#ifndef NET_EXPLAIN_H
#define NET_EXPLAIN_H

#include "net/request.h"
#include "net/wish.h"

/** /api/conversions/{id}/explain @thread http */
void explain_serve(struct request *r);

/** /api/events/{id} @thread http */
void trace_serve(struct request *r);

/** Read the parameters of an explanation (NULL: none): how many clicks without credit are listed.
 */
bool explain_wish_read(const char *query, uint32_t *limit, struct wish_error *error) MUST_CHECK;

#endif
