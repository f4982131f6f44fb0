/*
 * Answering reports from PostgreSQL: any zone, filter, breakdown and model, from the buckets.
 *
 * Overview: the periods are cut first (calendar in domain/period.c, instants by the zone), then one
 * statement sums them all, which is the answer's one snapshot. Threads: the one that owns the
 * connection.
 */
#ifndef STORE_REPORTS_H
#define STORE_REPORTS_H

#include "domain/report.h"
#include "store/pg.h"
#include "store/zones.h"

/** Answer @rep; its status is set unless an error is returned. */
enum err reports_answer(struct pg *pg, struct zones *zones, struct report *rep) MUST_CHECK;

#endif
