/*
 * Money as integers of minor units (hundredths): reading decimals exactly, rounding, writing.
 *
 * Overview: a JSON number means the shortest decimal that reads back as the same double; from there
 * on everything is decimal text and integers. More than two decimals are rounded half away from
 * zero. Sums are 128-bit, so that no number of accepted events can overflow them. Threads: any.
 * Pure functions.
 */
#ifndef UTIL_MONEY_H
#define UTIL_MONEY_H

#include "util/base.h"

#define MONEY_MAX_MINOR 1000000000000000ll /* 10^13 in minor units */
#define MONEY_TEXT_MAX 48

enum money_result {
	MONEY_OK,
	MONEY_NOT_A_DECIMAL,
	MONEY_OUT_OF_RANGE, /* below 0, or above 10^13 (compared before rounding) */
};

/** Read a decimal: digits, optional fraction, optional exponent, optional leading minus; no spaces,
 * no plus. */
enum money_result money_parse(const char *text, size_t len, int64_t *out_minor) MUST_CHECK;

/** Read a JSON number that a parser already turned into @d. */
enum money_result money_from_double(double d, int64_t *out_minor) MUST_CHECK;

/** Write "-12.34": at least one digit before the point, two behind it, a NUL. Returns the length.
 */
size_t money_format(__int128 minor, char out[MONEY_TEXT_MAX]);

/** Read back what minor_format or a PostgreSQL integer/numeric sum of minor units wrote ("1234",
 * "-5"). */
bool minor_parse(const char *text, __int128 *out) MUST_CHECK;

/** Write an integer of minor units without a point, a NUL. Returns the length. */
size_t minor_format(__int128 minor, char out[MONEY_TEXT_MAX]);

#endif
