/*
 * What every unit test includes: cmocka with the headers it wants before it, and replayable random
 * numbers.
 *
 * Usage: struct rng rng = rng_start(); rng_below(&rng, 10). The seed is printed; TEST_SEED=n
 * repeats a run.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/base.h"

struct rng {
	uint64_t state;
};

static inline struct rng rng_start(void)
{
	const char *wish = getenv("TEST_SEED");
	const uint64_t seed = wish != NULL ? strtoull(wish, NULL, 10) : (uint64_t)time(NULL);

	print_message("seed %" PRIu64 " (repeat with TEST_SEED)\n", seed);
	return (struct rng){seed};
}

/* splitmix64 */
static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t x = rng->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* 0 to @limit - 1 */
static inline uint64_t rng_below(struct rng *rng, uint64_t limit)
{
	return rng_next(rng) % limit;
}

#endif
