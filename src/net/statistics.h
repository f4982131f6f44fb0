/*
 * GET of a campaign's statistics by day, week or month.
 *
 * Overview: closed days come from the history cache, today from the live actor, everything that
 * those cannot answer from PostgreSQL by a query actor. Every part is no older than a second.
 * Threads: the worker that serves the request.
 */
#ifndef NET_STATISTICS_H
#define NET_STATISTICS_H

#include "util/base.h"

struct request;

void statistics_serve(struct request *r);

#define RATE_TEXT_MAX 32

/** Write the shortest decimal that reads back as @rate, and a NUL. */
void rate_format(double rate, char out[RATE_TEXT_MAX]);

#endif
