/*
 * Money: the decimals that are read and refused, rounding, JSON doubles, and texts of sums.
 */
#include "test.h"

#include <math.h>

#include "util/money.h"

#define INT128_MAX (((__int128)1 << 126) - 1 + ((__int128)1 << 126))
#define INT128_MIN (-INT128_MAX - 1)

struct money_case {
	const char *text;
	enum money_result result;
	int64_t minor;
};

static void assert_reads(const struct money_case *c)
{
	int64_t minor = -1;
	const enum money_result result = money_parse(c->text, strlen(c->text), &minor);

	if (result != c->result || (result == MONEY_OK && minor != c->minor))
		fail_msg("'%s' gave result %d, minor %" PRId64, c->text, (int)result, minor);
}

static void test_reads_decimals(void **state)
{
	static const struct money_case cases[] = {
		{"0", MONEY_OK, 0},
		{"-0", MONEY_OK, 0},
		{"-0.000e5", MONEY_OK, 0},
		{"0e999999999999999999999", MONEY_OK, 0},
		{"1", MONEY_OK, 100},
		{"12.3", MONEY_OK, 1230},
		{"12.34", MONEY_OK, 1234},
		{"0.07", MONEY_OK, 7},
		{"1e3", MONEY_OK, 100000},
		{"1E+3", MONEY_OK, 100000},
		{"1.5E-3", MONEY_OK, 0},
		{"1.2345e2", MONEY_OK, 12345},
		{"12345e-2", MONEY_OK, 12345},
		{"0.0001e4", MONEY_OK, 100},
		{"1e-400", MONEY_OK, 0},
		{"9e-99999999999999999999999", MONEY_OK, 0},
		{"10000000000000", MONEY_OK, MONEY_MAX_MINOR},
		{"10000000000000.000", MONEY_OK, MONEY_MAX_MINOR},
		{"1e13", MONEY_OK, MONEY_MAX_MINOR},
		{"0.00001e18", MONEY_OK, MONEY_MAX_MINOR},
		{"9999999999999.99", MONEY_OK, MONEY_MAX_MINOR - 1},
		{"9999999999999.995", MONEY_OK, MONEY_MAX_MINOR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_reads(&cases[i]);
}

static void test_rounds_half_away_from_zero(void **state)
{
	static const struct money_case cases[] = {
		{"0.004", MONEY_OK, 0},
		{"0.005", MONEY_OK, 1},
		{"0.0049999999999999999999999", MONEY_OK, 0},
		{"0.0050000000000000000000001", MONEY_OK, 1},
		{"0.015", MONEY_OK, 2},
		{"0.025", MONEY_OK, 3},
		{"1.005", MONEY_OK, 101},
		{"2.675", MONEY_OK, 268},
		{"0.994", MONEY_OK, 99},
		{"0.995", MONEY_OK, 100},
		{"0.0009", MONEY_OK, 0},
		{"5e-3", MONEY_OK, 1},
		{"4.9e-3", MONEY_OK, 0},
		{"99e-4", MONEY_OK, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_reads(&cases[i]);
}

static void test_refuses_what_is_out_of_range(void **state)
{
	static const char *const cases[] = {
		"-0.001",
		"-1",
		"-1e-400",
		"10000000000000.004",
		"10000000000000.00000000001",
		"10000000000001",
		"20000000000000",
		"1e14",
		"1e400",
		"1e99999999999999999999999",
		"1.00000000000000000001e13",
		"0.000000000000000000000000000001e44",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_reads(&(const struct money_case){cases[i], MONEY_OUT_OF_RANGE, 0});
}

static void test_refuses_what_is_no_decimal(void **state)
{
	static const char *const cases[] = {
		"",    "-",	"+1",	".5",  "5.",  "1.e3",  "-.5", "007",   "00",
		"-01", "01.5",	"1e",	"1e+", "1e-", "1e1.5", "e5",  " 1",    "1 ",
		"1,5", "1.2.3", "0x10", "inf", "nan", "1f",    "--1", "1_000", "1e3 ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_reads(&(const struct money_case){cases[i], MONEY_NOT_A_DECIMAL, 0});
}

static void test_length_counts(void **state)
{
	int64_t minor;

	(void)state;
	assert_int_equal(money_parse("12.34", 2, &minor), MONEY_OK);
	assert_int_equal(minor, 1200);
	assert_int_equal(money_parse("12.34", 3, &minor), MONEY_NOT_A_DECIMAL);
	assert_int_equal(money_parse("1\0", 2, &minor), MONEY_NOT_A_DECIMAL);
}

/* A million digits on either side cost no more than reading them. */
static void test_long_texts(void **state)
{
	enum { LEN = 1000000 };
	char *text = xmalloc(LEN + 32);
	int64_t minor;

	(void)state;
	memset(text, '0', LEN);
	text[1] = '.';
	text[LEN - 1] = '7';
	assert_int_equal(money_parse(text, LEN, &minor), MONEY_OK);
	assert_int_equal(minor, 0);
	const int tail = snprintf(text + LEN, 32, "e%d", LEN - 2);
	assert_int_equal(money_parse(text, LEN + (size_t)tail, &minor), MONEY_OK);
	assert_int_equal(minor, 700);
	memset(text, '1', LEN);
	assert_int_equal(money_parse(text, LEN, &minor), MONEY_OUT_OF_RANGE);
	const int tail2 = snprintf(text + LEN, 32, "e-%d", LEN - 3);
	assert_int_equal(money_parse(text, LEN + (size_t)tail2, &minor), MONEY_OK);
	assert_int_equal(minor, 11111);
	free(text);
}

/*
 * The oracle: mantissa * 10^-scale as 128-bit integers, multiplied out by hand. The mantissa has up
 * to 18 digits and the scale lies in 0 to 18, so mantissa * 100 and 2 * 10^18 both fit.
 */
static struct money_case expected_of(uint64_t mantissa, int scale)
{
	__int128 unit = 1;

	for (int i = 0; i < scale; i++)
		unit *= 10;
	if ((__int128)mantissa > unit * 10000000000000ll)
		return (struct money_case){NULL, MONEY_OUT_OF_RANGE, 0};
	const __int128 hundredfold = (__int128)mantissa * 100;
	return (struct money_case){NULL, MONEY_OK,
				   (int64_t)((2 * hundredfold + unit) / (2 * unit))};
}

/* The same value written as digits, as a fraction, and with exponents either way. */
static void test_against_integer_arithmetic(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 300000; round++) {
		uint64_t power = 1;
		for (uint64_t n = rng_below(&rng, 19); n > 0; n--)
			power *= 10;
		const uint64_t mantissa = rng_below(&rng, power);
		const int scale = (int)rng_below(&rng, 19);
		struct money_case c = expected_of(mantissa, scale);
		char text[128], digits[64];

		snprintf(text, sizeof(text), "%" PRIu64 "e-%d", mantissa, scale);
		c.text = text;
		assert_reads(&c);

		const int len = snprintf(digits, sizeof(digits), "%0*" PRIu64, scale + 1, mantissa);
		snprintf(text, sizeof(text), "%.*s%s%s", len - scale, digits, scale > 0 ? "." : "",
			 digits + len - scale);
		assert_reads(&c);

		const int shift = (int)rng_below(&rng, 60);
		snprintf(text, sizeof(text), "0.%0*d%" PRIu64 "e%d", shift + 1, 0, mantissa,
			 shift + 1 + (int)snprintf(NULL, 0, "%" PRIu64, mantissa) - scale);
		assert_reads(&c);
	}
}

static void test_doubles_mean_their_shortest_decimal(void **state)
{
	static const struct {
		double d;
		enum money_result result;
		int64_t minor;
	} cases[] = {
		{0.0, MONEY_OK, 0},
		{-0.0, MONEY_OK, 0},
		{0.1 + 0.2, MONEY_OK, 30},
		{1.005, MONEY_OK, 101}, /* the double lies below 1.005, the decimal does not */
		{2.675, MONEY_OK, 268},
		{0.285, MONEY_OK, 29},
		{1e13, MONEY_OK, MONEY_MAX_MINOR},
		{9999999999999.99, MONEY_OK, MONEY_MAX_MINOR - 1},
		{10000000000000.002, MONEY_OUT_OF_RANGE, 0},
		{1e22, MONEY_OUT_OF_RANGE, 0},
		{5e-324, MONEY_OK, 0},
		{-5e-324, MONEY_OUT_OF_RANGE, 0},
		{1.7976931348623157e308, MONEY_OUT_OF_RANGE, 0},
		{INFINITY, MONEY_OUT_OF_RANGE, 0},
		{-INFINITY, MONEY_OUT_OF_RANGE, 0},
		{NAN, MONEY_OUT_OF_RANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t minor = -1;
		const enum money_result result = money_from_double(cases[i].d, &minor);
		if (result != cases[i].result || (result == MONEY_OK && minor != cases[i].minor))
			fail_msg("%.17g gave result %d, minor %" PRId64, cases[i].d, (int)result,
				 minor);
	}
}

/* A text of up to 15 digits and its double are the same money. */
static void test_doubles_against_texts(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 300000; round++) {
		char text[64];
		int64_t by_text, by_double;
		const int len =
			snprintf(text, sizeof(text), "%" PRIu64 ".%03u",
				 rng_below(&rng, 1000000000000), (unsigned)rng_below(&rng, 1000));

		assert_int_equal(money_parse(text, (size_t)len, &by_text), MONEY_OK);
		assert_int_equal(money_from_double(strtod(text, NULL), &by_double), MONEY_OK);
		assert_int_equal(by_text, by_double);
	}
}

static void test_formats(void **state)
{
	static const struct {
		__int128 minor;
		const char *money;
		const char *integer;
	} cases[] = {
		{0, "0.00", "0"},
		{1, "0.01", "1"},
		{-1, "-0.01", "-1"},
		{10, "0.10", "10"},
		{99, "0.99", "99"},
		{-99, "-0.99", "-99"},
		{100, "1.00", "100"},
		{1234, "12.34", "1234"},
		{-1234, "-12.34", "-1234"},
		{MONEY_MAX_MINOR, "10000000000000.00", "1000000000000000"},
		{INT128_MAX, "1701411834604692317316873037158841057.27",
		 "170141183460469231731687303715884105727"},
		{INT128_MIN, "-1701411834604692317316873037158841057.28",
		 "-170141183460469231731687303715884105728"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[MONEY_TEXT_MAX];
		__int128 back = 1;

		assert_int_equal(money_format(cases[i].minor, text), strlen(cases[i].money));
		assert_string_equal(text, cases[i].money);
		assert_int_equal(minor_format(cases[i].minor, text), strlen(cases[i].integer));
		assert_string_equal(text, cases[i].integer);
		assert_true(minor_parse(text, &back));
		assert_true(back == cases[i].minor);
	}
}

static void test_minor_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		"-",
		"+1",
		"1.00",
		" 1",
		"1 ",
		"1e3",
		"--1",
		"x",
		"170141183460469231731687303715884105728",
		"-170141183460469231731687303715884105729",
		"1000000000000000000000000000000000000000000",
	};
	__int128 minor;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_false(minor_parse(cases[i], &minor));
}

/* What money_format writes for an accepted amount is read back as the same amount. */
static void test_round_trip(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 200000; round++) {
		const int64_t minor =
			(int64_t)rng_below(&rng, MONEY_MAX_MINOR + 1) >> rng_below(&rng, 50);
		char text[MONEY_TEXT_MAX];
		int64_t back;

		const size_t len = money_format(minor, text);
		assert_int_equal(money_parse(text, len, &back), MONEY_OK);
		assert_int_equal(back, minor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_decimals),
		cmocka_unit_test(test_rounds_half_away_from_zero),
		cmocka_unit_test(test_refuses_what_is_out_of_range),
		cmocka_unit_test(test_refuses_what_is_no_decimal),
		cmocka_unit_test(test_length_counts),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_against_integer_arithmetic),
		cmocka_unit_test(test_doubles_mean_their_shortest_decimal),
		cmocka_unit_test(test_doubles_against_texts),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_minor_refuses),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
