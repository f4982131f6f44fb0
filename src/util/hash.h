/*
 * A 128-bit hash of bytes, for telling whether a text is the one somebody has.
 *
 * Overview: FNV-1a. It keeps accidents apart, not forgers. Threads: any. Pure functions.
 */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#include "util/base.h"

struct hash128 {
	uint64_t high, low;
};

struct hash128 hash128(const void *data, size_t len);

#endif
