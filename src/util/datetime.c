/*
 * The calendar: RFC 3339 texts, days, weeks and months.
 *
 * Threads: any. Pure functions. Every text is read by position, since RFC 3339 fixes the widths;
 * the only part of free length is the fraction of a second.
 */
#include "util/datetime.h"

#define DAYS_PER_ERA 146097 /* 400 years, after which the calendar repeats */
#define DAY_MIN (-719162)   /* 0001-01-01 */
#define DAY_MAX 2932896	    /* 9999-12-31 */
#define MS_MIN (DAY_MIN * MS_PER_DAY)
#define MS_MAX (DAY_MAX * MS_PER_DAY + MS_PER_DAY - 1)
#define TIME_TEXT_LEN 8 /* HH:MM:SS */

struct civil {
	int64_t year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
	return a - floor_div(a, b) * b;
}

/* Years start in March here, so that the leap day is the last day of a year. */
static int64_t days_from_civil(struct civil c)
{
	const int64_t year = c.year - (c.month <= 2);
	const int64_t era = floor_div(year, 400);
	const int64_t year_of_era = year - era * 400;
	const int64_t day_of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
	const int64_t day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - 719468;
}

static struct civil civil_from_days(int64_t day)
{
	const int64_t shifted = day + 719468;
	const int64_t era = floor_div(shifted, DAYS_PER_ERA);
	const int64_t day_of_era = shifted - era * DAYS_PER_ERA;
	const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
				     day_of_era / (DAYS_PER_ERA - 1)) /
				    365;
	const int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t march_month = (5 * day_of_year + 2) / 153;
	const int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);

	return (struct civil){
		.year = year_of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1),
	};
}

static int days_in_month(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool read_digits(const char *text, int count, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++) {
		if (!is_digit(text[i]))
			return false;
		*out = *out * 10 + (text[i] - '0');
	}
	return true;
}

static void write_digits(char *out, int count, int64_t value)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
}

static bool read_time(const char *text, int64_t *out_ms)
{
	int hour, minute, second;

	if (!read_digits(text, 2, &hour) || text[2] != ':' || !read_digits(text + 3, 2, &minute) ||
	    text[5] != ':' || !read_digits(text + 6, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	*out_ms = ((hour * 60 + minute) * 60 + second) * 1000ll;
	return true;
}

/* The digits behind the point: at least one, the first three count. Returns how many, 0 if none. */
static size_t read_fraction(const char *text, size_t len, int64_t *out_ms)
{
	static const int weight[] = {100, 10, 1};
	size_t n = 0;

	*out_ms = 0;
	for (; n < len && is_digit(text[n]); n++) {
		if (n < ARRAY_LEN(weight))
			*out_ms += (text[n] - '0') * weight[n];
	}
	return n;
}

/* Z or +hh:mm, the whole rest of the text. */
static bool read_offset(const char *text, size_t len, int64_t *out_ms)
{
	int hour, minute;

	*out_ms = 0;
	if (len == 1)
		return text[0] == 'Z' || text[0] == 'z';
	if (len != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
		return false;
	if (!read_digits(text + 1, 2, &hour) || !read_digits(text + 4, 2, &minute))
		return false;
	if (hour > 23 || minute > 59)
		return false;
	*out_ms = (hour * 60 + minute) * 60000ll * (text[0] == '-' ? -1 : 1);
	return true;
}

static void write_date(int64_t day, char *out)
{
	const struct civil c = civil_from_days(day < DAY_MIN   ? DAY_MIN
					       : day > DAY_MAX ? DAY_MAX
							       : day);

	write_digits(out, 4, c.year);
	out[4] = '-';
	write_digits(out + 5, 2, c.month);
	out[7] = '-';
	write_digits(out + 8, 2, c.day);
}

bool datetime_parse(const char *text, size_t len, int64_t *out_ms)
{
	size_t pos = DATE_TEXT_LEN + 1 + TIME_TEXT_LEN;
	int64_t time_ms, fraction_ms = 0, offset_ms;
	int32_t day;

	if (len <= pos || !date_parse(text, DATE_TEXT_LEN, &day))
		return false;
	if (text[DATE_TEXT_LEN] != 'T' && text[DATE_TEXT_LEN] != 't')
		return false;
	if (!read_time(text + DATE_TEXT_LEN + 1, &time_ms))
		return false;
	if (text[pos] == '.') {
		const size_t digits = read_fraction(text + pos + 1, len - pos - 1, &fraction_ms);
		if (digits == 0)
			return false;
		pos += 1 + digits;
	}
	if (!read_offset(text + pos, len - pos, &offset_ms))
		return false;

	const int64_t ms = day * MS_PER_DAY + time_ms + fraction_ms - offset_ms;
	if (ms < MS_MIN || ms > MS_MAX)
		return false;
	*out_ms = ms;
	return true;
}

void datetime_write(int64_t ms, char *out)
{
	const int64_t clamped = ms < MS_MIN ? MS_MIN : ms > MS_MAX ? MS_MAX : ms;
	const int64_t of_day = floor_mod(clamped, MS_PER_DAY);

	write_date(floor_div(clamped, MS_PER_DAY), out);
	out[10] = 'T';
	write_digits(out + 11, 2, of_day / MS_PER_HOUR);
	out[13] = ':';
	write_digits(out + 14, 2, of_day / 60000 % 60);
	out[16] = ':';
	write_digits(out + 17, 2, of_day / 1000 % 60);
	out[19] = '.';
	write_digits(out + 20, 3, of_day % 1000);
	out[23] = 'Z';
}

bool date_parse(const char *text, size_t len, int32_t *out_day)
{
	int year, month, day;

	if (len != DATE_TEXT_LEN || text[4] != '-' || text[7] != '-')
		return false;
	if (!read_digits(text, 4, &year) || !read_digits(text + 5, 2, &month) ||
	    !read_digits(text + 8, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	*out_day = (int32_t)days_from_civil((struct civil){year, month, day});
	return true;
}

void date_format(int32_t day, char out[DATE_TEXT_LEN + 1])
{
	write_date(day, out);
	out[DATE_TEXT_LEN] = '\0';
}

int32_t day_of_ms(int64_t ms)
{
	return (int32_t)floor_div(ms, MS_PER_DAY);
}

int32_t week_of_day(int32_t day)
{
	return (int32_t)(day - floor_mod((int64_t)day + 3, 7)); /* 1970-01-01 was a Thursday */
}

int32_t month_of_day(int32_t day)
{
	return month_add(day, 0);
}

int32_t month_add(int32_t day, int months)
{
	const struct civil c = civil_from_days(day);
	const int64_t month = c.year * 12 + c.month - 1 + months; /* counted from year 0 */

	return (int32_t)days_from_civil(
		(struct civil){floor_div(month, 12), (int)floor_mod(month, 12) + 1, 1});
}
