/*
 * What time it is: the wall clock, which tests may shift, and the monotonic clock, for waiting.
 *
 * Overview: every decision about days goes through clock_wall_ms(). CLOCK_OFFSET_MS shifts it for
 * tests; clock_to_system_ms() undoes the shift for times handed to another server (Redis'
 * EXPIREAT). Threads: any, after clock_set_offset().
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include "util/base.h"

/** Shift the wall clock by @offset_ms. @thread main, before threads start */
void clock_set_offset(int64_t offset_ms);

/** Milliseconds since 1970 UTC, shifted. */
int64_t clock_wall_ms(void);

/** The system's own time at which the shifted clock shows @wall_ms. */
int64_t clock_to_system_ms(int64_t wall_ms);

/** Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_mono_ns(void);

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

#endif
