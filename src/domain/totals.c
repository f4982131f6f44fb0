/*
 * Sums of campaign days, and the words of grouping.
 *
 * Pure functions.
 */
#include "domain/totals.h"

#include <string.h>

static const char *const words[GROUP_KINDS] = {
	[GROUP_HOURLY] = "hourly",   [GROUP_DAILY] = "daily", [GROUP_WEEKLY] = "weekly",
	[GROUP_MONTHLY] = "monthly", [GROUP_TOTAL] = "total",
};

const char *group_by_word(enum group_by g)
{
	ASSERT(g < GROUP_KINDS);
	return words[g];
}

bool group_by_parse(const char *word, enum group_by *out)
{
	for (int g = 0; g < GROUP_KINDS; g++) {
		if (strcmp(word, words[g]) == 0) {
			*out = (enum group_by)g;
			return true;
		}
	}
	return false;
}

int32_t group_period(enum group_by g, int32_t day)
{
	if (g == GROUP_WEEKLY)
		return week_of_day(day);
	return g == GROUP_MONTHLY ? month_of_day(day) : day;
}

int32_t group_default_from(enum group_by g, int32_t today)
{
	if (g == GROUP_WEEKLY)
		return week_of_day(today) - 51 * 7;
	if (g == GROUP_HOURLY)
		return today - 1;
	return g == GROUP_MONTHLY ? month_add(today, -11) : today - 29;
}

void totals_add(struct totals *sum, const struct totals *t)
{
	sum->clicks += t->clicks;
	sum->conversions += t->conversions;
	sum->unattributed += t->unattributed;
	sum->value_minor += t->value_minor;
	sum->unattributed_value_minor += t->unattributed_value_minor;
}

bool totals_is_zero(const struct totals *t)
{
	return t->clicks == 0 && t->conversions == 0 && t->unattributed == 0 &&
	       t->value_minor == 0 && t->unattributed_value_minor == 0;
}
