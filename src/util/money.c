/*
 * Decimals to hundredths and back, without a float in between.
 *
 * Threads: any. Pure functions. A decimal is kept as the borrowed digits of its text and the place
 * of its point; the exponent only moves the point, so that 1e-999999999 costs no more than 1.
 */
#include "util/money.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOUBLE_TEXT_MAX 32
#define RANGE_DIGITS 13		 /* the most digits before the point of a value below 10^13 */
#define EXPONENT_MAX (1ll << 60) /* larger ones are cut to it: no text is long enough to notice */

/* The value is 0.d[0]d[1]d[2]... times ten to the power of point. */
struct decimal {
	bool negative;
	const char *digits; /* borrowed from the text, with a '.' after int_len digits if frac_len >
			       0 */
	size_t int_len;
	size_t frac_len;
	int64_t point;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t count_digits(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && is_digit(p[n]))
		n++;
	return n;
}

/* Everything behind the 'e': a sign, digits, and then the end. */
static bool read_exponent(const char *p, const char *end, int64_t *out)
{
	bool negative = false;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	const size_t len = count_digits(p, end);
	if (len == 0 || p + len != end)
		return false;
	*out = 0;
	for (; p < end; p++) {
		if (*out < EXPONENT_MAX / 10 - 1)
			*out = *out * 10 + (*p - '0');
		else
			*out = EXPONENT_MAX;
	}
	if (negative)
		*out = -*out;
	return true;
}

static bool decimal_read(const char *text, size_t len, struct decimal *d)
{
	const char *p = text;
	const char *end = text + len;
	int64_t exponent = 0;

	*d = (struct decimal){0};
	d->negative = p < end && *p == '-';
	p += d->negative;
	d->digits = p;
	d->int_len = count_digits(p, end);
	if (d->int_len == 0 || (d->int_len > 1 && *p == '0'))
		return false;
	p += d->int_len;
	if (p < end && *p == '.') {
		d->frac_len = count_digits(p + 1, end);
		if (d->frac_len == 0)
			return false;
		p += 1 + d->frac_len;
	}
	if (p < end) {
		if ((*p != 'e' && *p != 'E') || !read_exponent(p + 1, end, &exponent))
			return false;
	}
	d->point = (int64_t)d->int_len + exponent;
	return true;
}

/* Digit @i counted from the first, 0 behind the last one. */
static int decimal_digit(const struct decimal *d, size_t i)
{
	if (i < d->int_len)
		return d->digits[i] - '0';
	if (i < d->int_len + d->frac_len)
		return d->digits[i + 1] - '0';
	return 0;
}

/* The place of the first digit from @from on that is not 0; the number of digits if there is none.
 */
static size_t decimal_skip_zeros(const struct decimal *d, size_t from)
{
	size_t i = from;

	while (i < d->int_len + d->frac_len && decimal_digit(d, i) == 0)
		i++;
	return i;
}

/* Is a value whose first digit other than 0 is @first, and has its point at @point, above 10^13? */
static bool decimal_is_above_range(const struct decimal *d, size_t first, int64_t point)
{
	if (point != RANGE_DIGITS + 1)
		return point > RANGE_DIGITS + 1;
	return decimal_digit(d, first) > 1 ||
	       decimal_skip_zeros(d, first + 1) < d->int_len + d->frac_len;
}

enum money_result money_parse(const char *text, size_t len, int64_t *out_minor)
{
	struct decimal d;

	if (!decimal_read(text, len, &d))
		return MONEY_NOT_A_DECIMAL;

	const size_t first = decimal_skip_zeros(&d, 0);
	if (first == d.int_len + d.frac_len) {
		*out_minor = 0;
		return MONEY_OK;
	}
	const int64_t point = d.point - (int64_t)first;
	if (d.negative || decimal_is_above_range(&d, first, point))
		return MONEY_OUT_OF_RANGE;

	/* The first @whole digits are hundredths, the next one decides the rounding. */
	const int64_t whole = point + 2;
	int64_t minor = 0;
	for (int64_t i = 0; i < whole; i++)
		minor = minor * 10 + decimal_digit(&d, first + (size_t)i);
	if (whole >= 0 && decimal_digit(&d, first + (size_t)whole) >= 5)
		minor++;
	*out_minor = minor;
	return MONEY_OK;
}

/* The C library writes the point as the locale says; the program stays in the C locale. */
enum money_result money_from_double(double d, int64_t *out_minor)
{
	char text[DOUBLE_TEXT_MAX];
	int len = 0;

	if (!isfinite(d))
		return MONEY_OUT_OF_RANGE;
	for (int precision = 15; precision <= 17; precision++) {
		len = snprintf(text, sizeof(text), "%.*g", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return money_parse(text, (size_t)len, out_minor);
}

size_t money_format(__int128 minor, char out[MONEY_TEXT_MAX])
{
	char text[MONEY_TEXT_MAX];
	size_t len = minor_format(minor, text);
	const size_t sign = text[0] == '-';
	size_t pos = 0;

	if (sign)
		out[pos++] = '-';
	for (size_t digits = len - sign; digits < 3; digits++) { /* 5 becomes 005 */
		out[pos++] = '0';
	}
	memcpy(out + pos, text + sign, len - sign);
	len = pos + len - sign;
	memmove(out + len - 1, out + len - 2, 2);
	out[len - 2] = '.';
	out[len + 1] = '\0';
	return len + 1;
}

bool minor_parse(const char *text, __int128 *out)
{
	const bool negative = text[0] == '-';
	const char *p = text + negative;
	__int128 value = 0;

	if (*p == '\0')
		return false;
	for (; *p != '\0'; p++) {
		if (!is_digit(*p))
			return false;
		const int digit = negative ? '0' - *p : *p - '0';
		if (__builtin_mul_overflow(value, (__int128)10, &value) ||
		    __builtin_add_overflow(value, (__int128)digit, &value))
			return false;
	}
	*out = value;
	return true;
}

size_t minor_format(__int128 minor, char out[MONEY_TEXT_MAX])
{
	unsigned __int128 rest = minor < 0 ? -(unsigned __int128)minor : (unsigned __int128)minor;
	char reversed[MONEY_TEXT_MAX];
	size_t digits = 0, len = 0;

	do {
		reversed[digits++] = (char)('0' + (int)(rest % 10));
		rest /= 10;
	} while (rest != 0);
	if (minor < 0)
		out[len++] = '-';
	while (digits > 0)
		out[len++] = reversed[--digits];
	out[len] = '\0';
	return len;
}
