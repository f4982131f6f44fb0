/*
 * A campaign's UTC days by last click, from whoever has them.
 *
 * Overview: closed days come from the history cache, today from the live actor, everything that
 * those cannot answer from PostgreSQL by a query actor. Every part is no older than a second.
 * Threads: the worker that serves the request. Ownership: the days are the caller's.
 */
#ifndef NET_GATHER_H
#define NET_GATHER_H

#include "domain/totals.h"
#include "util/buf.h"
#include "util/uuid.h"

struct request;

enum gather_source { SOURCE_CACHE, SOURCE_REDIS, SOURCE_POSTGRES, SOURCES };

enum gather_result { GATHER_OK, GATHER_NO_CAMPAIGN, GATHER_FAILED };

struct gathered {
	struct day_totals *days; /* ascending; the caller's to free */
	size_t n;
	int32_t rows_through;	/* the last day that came as rows instead; INT32_MIN: none */
	unsigned sources;	/* bits by enum gather_source: who answered */
	bool degraded;		/* Redis was missing, and PostgreSQL answered in its place */
	uint64_t as_of_ns;	/* monotonic: everything committed by then is in it */
	int32_t closed_through; /* the last day known to be closed; INT32_MIN: not known */
};

/** The days of [@from, @to]; with @rows (else NULL) those that the history cache has as its text
 * there. @thread http */
enum gather_result gather_days(struct request *r, const struct uuid *campaign, int32_t from,
			       int32_t to, struct buf *rows, struct gathered *out) MUST_CHECK;

#endif
