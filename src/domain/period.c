/*
 * Cutting a range of days into periods, and naming them.
 *
 * Pure functions.
 */
#include "domain/period.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

void periods_release(struct periods *p)
{
	free(p->items);
	*p = (struct periods){0};
}

static int months_between(int32_t from, int32_t to)
{
	int n = 0;
	for (int32_t m = month_of_day(from); m < month_of_day(to); m = month_add(m, 1))
		n++;
	return n;
}

/* The same day of a month @months earlier, or that month's last. */
static int32_t back_by_months(int32_t day, int months)
{
	const int32_t month = month_add(day, -months);
	const int32_t last = month_add(month, 1) - 1;
	const int32_t same = month + (day - month_of_day(day));
	return same < last ? same : last;
}

/* How far back previous periods lie. */
struct back {
	int months; /* 0: days count */
	int32_t days;
};

static struct back back_of(enum group_by group, int32_t from, int32_t to)
{
	if (group == GROUP_MONTHLY)
		return (struct back){.months = months_between(from, to) + 1};
	if (group == GROUP_WEEKLY)
		return (struct back){.days = week_of_day(to) + 7 - week_of_day(from)};
	return (struct back){.days = to - from + 1};
}

static int32_t go_back(struct back b, int32_t first)
{
	return b.months > 0 ? back_by_months(first, b.months) : first - b.days;
}

/* An end is the day behind the last one. A whole month goes back to a whole month. */
static int32_t end_back(struct back b, int32_t end)
{
	if (b.months == 0)
		return end - b.days;
	if (month_of_day(end) == end)
		return month_add(end, -b.months);
	return back_by_months(end - 1, b.months) + 1;
}

static struct span span_of(int32_t first, int32_t end)
{
	return (struct span){.first = first,
			     .end = end,
			     .low_s = (int64_t)first * DAY_S,
			     .high_s = (int64_t)end * DAY_S};
}

void periods_of_days(enum group_by group, int32_t from, int32_t to, const int64_t *cursor,
		     uint32_t limit, struct periods *out)
{
	ASSERT(group != GROUP_HOURLY && from <= to);
	const struct back back = back_of(group, from, to);
	int32_t end = cursor != NULL && *cursor <= to ? (int32_t)*cursor : to + 1;
	const size_t room = end > from ? (size_t)(end - from) : 1;
	*out = (struct periods){.items = xcalloc(room < limit ? room : limit, sizeof(*out->items))};
	while (end > from && out->n < limit) {
		const int32_t begin = group == GROUP_TOTAL ? from : group_period(group, end - 1);
		const int32_t first = begin > from ? begin : from;
		out->items[out->n++] = (struct period){
			.now = span_of(first, end),
			.before = span_of(go_back(back, first), end_back(back, end)),
		};
		end = first;
	}
	out->more = end > from;
	out->next = end;
}

void periods_of_hours(const int64_t *lows, const int32_t *offsets, uint32_t n, int64_t end_s,
		      int64_t back_s, uint32_t limit, bool all, struct periods *out)
{
	*out = (struct periods){.items = xcalloc((size_t)n + 1, sizeof(*out->items))};
	for (uint32_t i = n; i > 0 && out->n < limit; i--) {
		/* The oldest one is cut short unless the list begins where the range does. */
		if (i == 1 && !all)
			break;
		const struct span now = {
			.low_s = lows[i - 1], .high_s = end_s, .offset_s = offsets[i - 1]};
		struct span before = now;
		before.low_s -= back_s;
		before.high_s -= back_s;
		out->items[out->n++] = (struct period){.now = now, .before = before};
		end_s = lows[i - 1];
	}
	out->more = out->n < n || !all;
	out->next = end_s;
}

static void hour_format(const struct span *s, char out[PERIOD_TEXT_MAX])
{
	char local[RFC3339_TEXT_LEN];
	datetime_write((s->low_s + s->offset_s) * 1000, local);
	const int minutes = abs(s->offset_s) / 60;
	(void)snprintf(out, PERIOD_TEXT_MAX, "%.16s%c%02d:%02d", local, s->offset_s < 0 ? '-' : '+',
		       minutes / 60 % 100, minutes % 60);
}

void period_format(enum group_by group, const struct span *s, char out[PERIOD_TEXT_MAX])
{
	if (group == GROUP_HOURLY) {
		hour_format(s, out);
		return;
	}
	date_format(group == GROUP_TOTAL ? s->first : group_period(group, s->first), out);
	if (group == GROUP_MONTHLY)
		out[strlen("YYYY-MM")] = '\0';
	if (group == GROUP_TOTAL) {
		out[DATE_TEXT_LEN] = '/';
		date_format(s->end - 1, out + DATE_TEXT_LEN + 1);
	}
}
