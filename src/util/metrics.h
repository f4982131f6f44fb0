/*
 * Counters, gauges and histograms that any thread may count in and the admin port prints.
 *
 * Overview: metrics.def is the only list. A block holds one cell for each row. Each actor owns one
 * block; the HTTP workers, of which there may be ten thousand, share HTTP_BLOCKS of them. Cells are
 * relaxed atomics: nothing else is ordered by them, a scrape may see one counter a little older
 * than another. Usage: metrics_add(m, M_ACCEPTED, 1); metrics_set(m, M_REDIS_UP, 1);
 * metrics_observe(m, M_ACK, ns). Threads: any. Ownership: the set owns its blocks.
 */
#ifndef UTIL_METRICS_H
#define UTIL_METRICS_H

#include "util/base.h"
#include "util/buf.h"

#define METRIC(id, kind, name, labels, help) id,
enum metric {
#include "util/metrics.def"
	METRIC_COUNT
};
#undef METRIC

struct metrics;	    /* one block */
struct metrics_set; /* all blocks of the process */

struct metrics_set *metrics_set_new(void) MUST_CHECK;
void metrics_set_free(struct metrics_set *set);

/** A new block, freed with the set. @thread any; allocates, so at start of a thread, not in a
 * request */
struct metrics *metrics_block_new(struct metrics_set *set) MUST_CHECK;

/** Add to a counter or an additive gauge (@n may be negative for a gauge). */
void metrics_add(struct metrics *m, enum metric id, int64_t n);

/** Set a gauge's cell in this block. */
void metrics_set(struct metrics *m, enum metric id, int64_t value);

/** Count @value (nanoseconds for HISTOGRAM_SECONDS, a number for HISTOGRAM_COUNT) into a histogram.
 */
void metrics_observe(struct metrics *m, enum metric id, uint64_t value);

/** The sum over all blocks of a counter or gauge; a histogram's count. */
int64_t metrics_sum(const struct metrics_set *set, enum metric id);

/** Append everything in the Prometheus text format 0.0.4 (# HELP, # TYPE, samples). */
void metrics_print(const struct metrics_set *set, struct buf *out);

#endif
