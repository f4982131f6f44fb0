/*
 * Making monthly partitions.
 *
 * Runs on writers (a month that comes up) and on the journal actor (months ahead).
 */
#include "store/months.h"

#include <stdlib.h>

#include "store/statement.h"
#include "util/datetime.h"

#define FIRST_YEAR 2000

/* Adjustments are in one table: few, and looked for by conversion, whatever their dates. */
static const char *const tables[EVENT_KINDS] = {
	[EVENT_CLICK] = "click_events",
	[EVENT_CONVERSION] = "conversion_events",
};

enum err months_ensure(struct pg *pg, struct months *months, enum event_kind kind, int32_t day)
{
	char first[DATE_TEXT_LEN + 1];
	date_format(month_of_day(day), first);
	const int year = (int)strtol(first, NULL, 10), month = (int)strtol(first + 5, NULL, 10);
	const int index = (year - FIRST_YEAR) * 12 + month - 1;
	if (tables[kind] == NULL || index < 0 || index >= MONTHS_COUNT ||
	    months->known[kind][index])
		return ERR_OK;
	const char *const params[] = {tables[kind], first};
	const enum err e = pg_run(pg, SQL_ensure_month, 2, params, NULL);
	months->known[kind][index] = e == ERR_OK;
	return e;
}
