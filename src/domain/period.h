/*
 * The periods of a statistics answer: which days each of them holds, and which the one before it.
 *
 * Overview: days are local days of some time zone, counted since 1970; what instants they begin at
 * is the zone's matter. Periods are adjacent and stand newest first. The first and the last one are
 * cut to the days that were asked for. The previous period of each lies as many periods earlier as
 * the whole range has, so that the previous ones make up the range before; hours go back by whole
 * days of 24 hours. Threads: any. Pure functions.
 */
#ifndef DOMAIN_PERIOD_H
#define DOMAIN_PERIOD_H

#include "domain/totals.h"
#include "util/buf.h"

#define PERIOD_TEXT_MAX 32

/* Local days [first, end), or for hours instants [low_s, high_s) in seconds since 1970. */
struct span {
	int32_t first, end;
	int64_t low_s, high_s;
	int32_t offset_s; /* of local time at low_s; hours only */
};

struct period {
	struct span now;
	struct span before;
};

struct periods {
	struct period *items; /* newest first */
	uint32_t n;
	bool more;    /* older ones were left for the next page */
	int64_t next; /* where that page begins */
};

void periods_release(struct periods *p);

/**
 * The periods of days [@from, @to] by @group (not hourly), at most @limit; with @cursor those
 * before that day only, which a page before ended with. Instants are those of UTC.
 */
void periods_of_days(enum group_by group, int32_t from, int32_t to, const int64_t *cursor,
		     uint32_t limit, struct periods *out);

/**
 * The periods of hours that begin at @lows (ascending, with local offsets) and end at @end_s, at
 * most @limit; @back_s is how much earlier the previous ones are. @all: nothing is before @lows.
 */
void periods_of_hours(const int64_t *lows, const int32_t *offsets, uint32_t n, int64_t end_s,
		      int64_t back_s, uint32_t limit, bool all, struct periods *out);

/** Write the period's name, as clients see it, and a NUL. */
void period_format(enum group_by group, const struct span *s, char out[PERIOD_TEXT_MAX]);

#endif
