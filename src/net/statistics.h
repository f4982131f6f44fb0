/*
 * GET of campaigns' statistics.
 *
 * Overview: what UTC days by last click of one campaign can answer is put together from the caches
 * (gather.h); everything else is one question to a query actor. Either way the answer is a report,
 * written as JSON, CSV or NDJSON.
 * Threads: the worker that serves the request.
 */
#ifndef NET_STATISTICS_H
#define NET_STATISTICS_H

#include "util/base.h"

struct request;

void statistics_serve(struct request *r);

#endif
