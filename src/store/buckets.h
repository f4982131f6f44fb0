/*
 * Summing the rows of a report from the buckets.
 *
 * Overview: a period is one piece, or several where parts of it are summed from elsewhere.
 * Threads: the one that owns the connection.
 */
#ifndef STORE_BUCKETS_H
#define STORE_BUCKETS_H

#include "domain/report.h"
#include "store/pg.h"

/* A part of a period that is summed from the buckets. */
struct piece {
	uint32_t period;
	bool before; /* of its previous one */
	int64_t low_s, high_s;
};

struct pieces {
	struct piece *items;
	uint32_t n, capacity;
};

void pieces_add(struct pieces *p, uint32_t period, bool before, int64_t low_s, int64_t high_s);
void pieces_release(struct pieces *p);

/** The question's campaigns as a PostgreSQL array. */
void buckets_write_campaigns(const struct report_question *q, struct buf *out);

/** The question's models as a PostgreSQL array. */
void buckets_write_models(const struct report_question *q, struct buf *out);

/**
 * Add the sums of @pieces to the rows: those of a grid if there is one, else new ones in order.
 * Refuses the report (its status) where there are too many.
 */
enum err buckets_sum(struct pg *pg, struct report *rep, const struct pieces *pieces) MUST_CHECK;

#endif
