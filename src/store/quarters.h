/*
 * The packed quarters of closed days, as the journal actor writes them.
 *
 * Overview: one row of the table holds a campaign's UTC day by quarters of an hour, all shards,
 * sources and types together. It is exact for a day that is closed and has no listed change behind
 * its journal. Threads: the one that owns the connection.
 */
#ifndef STORE_QUARTERS_H
#define STORE_QUARTERS_H

#include "domain/report.h"
#include "store/pg.h"

/* Days of the packed quarters that may not be used, ascending. */
struct dirty_days {
	int32_t *days;
	uint32_t n;
};

bool dirty_days_have(const struct dirty_days *d, int32_t day);

/** Can they answer this question: no filter, and no breakdown but by campaign? */
bool quarters_fit(const struct report_question *q);

/** Add the days [@from, @to] but the dirty ones to the rows of the report's grid. */
enum err quarters_sum(struct pg *pg, struct report *rep, int32_t from, int32_t to,
		      const struct dirty_days *dirty) MUST_CHECK;

#endif
