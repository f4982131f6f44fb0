/*
 * What the live counters said of campaign days a moment ago, so that many readers of one campaign
 * cost one reading.
 *
 * Overview: a fixed table of cells; a campaign day has one cell, which others may take from it.
 * What is older than RECENT_DAYS_NS is not found. Readers take no lock and do not wait. Threads:
 * one writes, any read. Usage: the live actor puts what it has read and trusts; a worker looks here
 * before it asks that actor.
 */
#ifndef STORE_RECENT_DAYS_H
#define STORE_RECENT_DAYS_H

#include "domain/totals.h"
#include "util/clock.h"
#include "util/uuid.h"

#define RECENT_DAYS_NS (10 * NS_PER_MS)

struct recent_days;

/** A reading: @totals hold what was committed by @as_of_ns and were read at @read_ns, both
 * monotonic. */
struct recent_day {
	struct uuid campaign_id;
	int32_t day;
	struct totals totals;
	uint64_t as_of_ns, read_ns;
};

struct recent_days *recent_days_new(void) MUST_CHECK;

/** NULL is fine. */
void recent_days_free(struct recent_days *r);

/** @thread the one that writes */
void recent_days_put(struct recent_days *r, const struct recent_day *reading);

/** False: nothing is known that was read within RECENT_DAYS_NS before @now_ns. @thread any */
bool recent_days_get(const struct recent_days *r, const struct uuid *campaign, int32_t day,
		     uint64_t now_ns, struct recent_day *out);

#endif
