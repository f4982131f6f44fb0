/*
 * The two clocks.
 *
 * Threads: any. The shift is the only file-level state: main sets it before threads start, and from
 * then on it is only read.
 */
#include "util/clock.h"

#include <time.h>

static int64_t offset_ms;

void clock_set_offset(int64_t new_offset_ms)
{
	offset_ms = new_offset_ms;
}

int64_t clock_wall_ms(void)
{
	struct timespec now;

	ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000 + offset_ms;
}

int64_t clock_to_system_ms(int64_t wall_ms)
{
	return wall_ms - offset_ms;
}

uint64_t clock_mono_ns(void)
{
	struct timespec now;

	ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
