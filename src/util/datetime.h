/*
 * Times as milliseconds since 1970 UTC and days as days since 1970: reading, writing, grouping.
 *
 * Overview: the proleptic Gregorian calendar, years 1 to 9999, no leap seconds. Pure functions.
 * Formulas: days_from_civil and its inverse after Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms".
 * Threads: any.
 */
#ifndef UTIL_DATETIME_H
#define UTIL_DATETIME_H

#include "util/base.h"

#define MS_PER_DAY 86400000ll
#define MS_PER_HOUR 3600000ll
#define DATE_TEXT_LEN 10    /* YYYY-MM-DD */
#define RFC3339_TEXT_LEN 24 /* YYYY-MM-DDTHH:MM:SS.mmmZ */

/**
 * Read an RFC 3339 time with an offset (Z or +hh:mm) of exactly @len characters; digits below the
 * millisecond are floored away. False for anything else: no offset, a day that does not exist,
 * second 60, a year outside 1 to 9999 before or after the offset is taken away.
 */
bool datetime_parse(const char *text, size_t len, int64_t *out_ms) MUST_CHECK;

/**
 * Write YYYY-MM-DDTHH:MM:SS.mmmZ, 24 characters and no NUL. A time outside the years 1 to 9999 is
 * written as the nearest end of that range.
 */
void datetime_write(int64_t ms, char *out);

/** Read exactly YYYY-MM-DD as days since 1970. */
bool date_parse(const char *text, size_t len, int32_t *out_day) MUST_CHECK;

/** Write YYYY-MM-DD and a NUL. Beyond the years 1 to 9999: the nearest end. */
void date_format(int32_t day, char out[DATE_TEXT_LEN + 1]);

/** The UTC day of a time (floored, also before 1970). */
int32_t day_of_ms(int64_t ms);

/** The Monday of the ISO week that @day lies in. */
int32_t week_of_day(int32_t day);

/** The first day of the month that @day lies in. */
int32_t month_of_day(int32_t day);

/** The first day of the month @months after (before, if negative) the month of @day. */
int32_t month_add(int32_t day, int months);

#endif
