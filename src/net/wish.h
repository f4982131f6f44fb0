/*
 * What a client asks of a campaign's statistics: which campaign, which days, folded how.
 *
 * Overview: `to` defaults to today, `from` to as many periods before `to` as are shown by default.
 * Unknown and doubled parameters are errors, so that a misspelt one is not silently left out.
 * Threads: any. Pure functions.
 */
#ifndef NET_WISH_H
#define NET_WISH_H

#include "domain/totals.h"
#include "util/uuid.h"

#define STATISTICS_DAYS_MAX 4000

struct statistics_wish {
	struct uuid campaign_id;
	enum group_by group_by;
	int32_t from, to; /* days, inclusive */
};

struct wish_error {
	const char *code;
	const char *message;
	char field[64];
};

/** Read the parameters of @query (NULL: none); @today fills what is left out. */
bool statistics_wish_read(const char *query, int32_t today, struct statistics_wish *out,
			  struct wish_error *error) MUST_CHECK;

#endif
