/*
 * What is counted for a campaign's day, and what days are grouped by.
 *
 * Overview: conversions are the attributed ones; unattributed ones are kept beside them. All fields
 * are sums and may be added; only sums over all shards mean something. Threads: any. Pure
 * functions.
 */
#ifndef DOMAIN_TOTALS_H
#define DOMAIN_TOTALS_H

#include "util/base.h"
#include "util/datetime.h"

struct totals {
	int64_t clicks;
	int64_t conversions;
	int64_t unattributed;
	__int128 value_minor;
	__int128 unattributed_value_minor;
};

struct day_totals {
	int32_t day; /* days since 1970 */
	struct totals totals;
};

enum group_by { GROUP_HOURLY, GROUP_DAILY, GROUP_WEEKLY, GROUP_MONTHLY, GROUP_TOTAL, GROUP_KINDS };

const char *group_by_word(enum group_by g);
bool group_by_parse(const char *word, enum group_by *out) MUST_CHECK;

/** The first day of the week or month that @day lies in; otherwise @day. */
int32_t group_period(enum group_by g, int32_t day);

/** The first day shown when a client names none: 30 days (also as a total), 52 weeks, 12 months, or
 * the hours of 2 days, today's included. */
int32_t group_default_from(enum group_by g, int32_t today);

void totals_add(struct totals *sum, const struct totals *t);
bool totals_is_zero(const struct totals *t);

#endif
