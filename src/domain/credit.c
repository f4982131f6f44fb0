/*
 * Sharing credit.
 *
 * Pure functions.
 */
#include "domain/credit.h"

#include <string.h>

/* 2^64 * 2^-(1/2), 2^64 * 2^-(1/4), 2^64 * 2^-(1/8), ... rounded down. */
static const uint64_t roots[] = {
	/* clang-format off */
	0xb504f333f9de6484, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e, 0xf5257d152486cc2c,
	0xfa83b2db722a033a, 0xfd3e0c0cf486c174, 0xfe9e115c7b8f884b, 0xff4ecb59511ec8a5,
	0xffa756521c8daed1, 0xffd3a751c0f7e10b, 0xffe9d2b2f7db2755, 0xfff4e91bff1b8c3d,
	0xfffa747ea0040664, 0xfffd3a3b7814eb53, 0xfffe9d1cc60ddab1, 0xffff4e8e25879bfa,
	0xffffa7470363f451, 0xffffd3a37dda0313, 0xffffe9d1bdf703ae, 0xfffff4e8debe025e,
	0xfffffa746f4fa150, 0xfffffd3a37a3f8b0, 0xfffffe9d1bd1065a, 0xffffff4e8de845ad,
	0xffffffa746f41376, 0xffffffd3a37a05e3, 0xffffffe9d1bd01fb, 0xfffffff4e8de80c0,
	0xfffffffa746f4050, 0xfffffffd3a37a024, 0xfffffffe9d1bd011, 0xffffffff4e8de808,
	0xffffffffa746f404, 0xffffffffd3a37a02, 0xffffffffe9d1bd01, 0xfffffffff4e8de80,
	0xfffffffffa746f40, 0xfffffffffd3a37a0, 0xfffffffffe9d1bd0, 0xffffffffff4e8de8,
	0xffffffffffa746f4, 0xffffffffffd3a37a, 0xffffffffffe9d1bd, 0xfffffffffff4e8de,
	0xfffffffffffa746f, 0xfffffffffffd3a37, 0xfffffffffffe9d1b, 0xffffffffffff4e8d,
	0xffffffffffffa746, 0xffffffffffffd3a3, 0xffffffffffffe9d1, 0xfffffffffffff4e8,
	0xfffffffffffffa74, 0xfffffffffffffd3a, 0xfffffffffffffe9d, 0xffffffffffffff4e,
	0xffffffffffffffa7, 0xffffffffffffffd3, 0xffffffffffffffe9, 0xfffffffffffffff4,
	0xfffffffffffffffa, 0xfffffffffffffffd,
	/* clang-format on */
};

#define FRACTION_BITS 62

_Static_assert(ARRAY_LEN(roots) == FRACTION_BITS, "a root for each bit of the exponent");

/* Give @left units, one each, to those with the largest remainders; the later of equals first. */
static void hand_out(int64_t left, unsigned __int128 *remainders, size_t n, int64_t *out)
{
	for (; left > 0; left--) {
		size_t best = 0;
		for (size_t i = 1; i < n; i++) {
			if (remainders[i] >= remainders[best])
				best = i;
		}
		ASSERT(remainders[best] > 0);
		remainders[best] = 0;
		out[best]++;
	}
}

void credit_share(int64_t total, const uint64_t *weights, size_t n, int64_t *out)
{
	unsigned __int128 remainders[CREDIT_TOUCHES_MAX];
	unsigned __int128 sum = 0;
	int64_t left = total;
	ASSERT(n > 0 && n <= CREDIT_TOUCHES_MAX);
	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	ASSERT(sum > 0);
	for (size_t i = 0; i < n; i++) {
		const unsigned __int128 product = (unsigned __int128)weights[i] * (uint64_t)total;
		out[i] = (int64_t)(product / sum);
		remainders[i] = product % sum;
		left -= out[i];
	}
	hand_out(left, remainders, n, out);
}

void credit_linear(size_t n, uint64_t *weights)
{
	for (size_t i = 0; i < n; i++)
		weights[i] = 1;
}

void credit_position_based(size_t n, int32_t first_ppm, int32_t last_ppm, uint64_t *weights)
{
	const uint64_t first = (uint64_t)first_ppm, last = (uint64_t)last_ppm;
	ASSERT(first_ppm >= 0 && last_ppm >= 0 && first + last <= CREDIT_WHOLE);
	if (n < 2 || (n == 2 && first + last == 0)) {
		credit_linear(n, weights);
		return;
	}
	const uint64_t between = n - 2;
	for (size_t i = 1; i + 1 < n; i++)
		weights[i] = CREDIT_WHOLE - first - last;
	weights[0] = between == 0 ? first : first * between;
	weights[n - 1] = between == 0 ? last : last * between;
}

/* 2^62 * 2^(-@age / @half_life), rounded down. */
static uint64_t decayed(int64_t age_ms, int64_t half_life_ms)
{
	const int64_t halvings = age_ms / half_life_ms;
	const uint64_t fraction =
		(uint64_t)(((unsigned __int128)(age_ms % half_life_ms) << FRACTION_BITS) /
			   (uint64_t)half_life_ms);
	uint64_t weight = CREDIT_WEIGHT_MAX;
	if (halvings > FRACTION_BITS)
		return 0;
	for (int bit = 0; bit < FRACTION_BITS; bit++) {
		if ((fraction >> (FRACTION_BITS - 1 - bit) & 1) != 0)
			weight = (uint64_t)((unsigned __int128)weight * roots[bit] >> 64);
	}
	return weight >> halvings;
}

void credit_time_decay(const int64_t *times_ms, size_t n, int64_t half_life_ms, uint64_t *weights)
{
	ASSERT(half_life_ms > 0);
	for (size_t i = 0; i < n; i++)
		weights[i] = decayed(times_ms[n - 1] - times_ms[i], half_life_ms);
}
