/*
 * The checks of `tyrattribution reconcile`, one after the other, each with a line on stdout.
 *
 * Overview: everything that concerns PostgreSQL is compared in one snapshot; Redis and Kafka are
 * read after it. Usage: reconcile_open(), reconcile_check() as often as needed, reconcile_close().
 * Threads: main.
 */
#ifndef TOOLS_RECONCILE_CHECKS_H
#define TOOLS_RECONCILE_CHECKS_H

#include "store/live_check.h"
#include "store/migrate.h"
#include "store/recount.h"
#include "tools/tool.h"

struct reconcile {
	const struct config *cfg;
	struct metrics *metrics;
	struct recount_range range;
	int32_t first_day, last_day; /* the same, days since 1970 */
	struct deployment deployment;
	struct pg *pg;	    /* the recount's */
	struct pg *live_pg; /* for statements outside its snapshot */
	struct live_check *live;
};

/* What a round of checks found. */
struct reconcile_result {
	int64_t counts;			/* differences in counts and rows that nothing can repair */
	int64_t attributions;		/* differences in what is derived */
	int64_t sums;			/* in buckets and day shares */
	int64_t journals;		/* in journals, weeks and months */
	int64_t live;			/* in Redis */
	struct campaign_day *live_days; /* these; freed by reconcile_result_release */
	uint32_t n_live_days;
};

void reconcile_result_release(struct reconcile_result *result);

/** All differences together. */
int64_t reconcile_differences(const struct reconcile_result *result);

/** Fill in and connect; false: PostgreSQL cannot be reached. */
bool reconcile_open(struct reconcile *r) MUST_CHECK;
void reconcile_close(struct reconcile *r);

/** Run every check and print what it found. ERR_OK however much differs. */
enum err reconcile_check(struct reconcile *r, struct reconcile_result *out) MUST_CHECK;

#endif
