/*
 * UUIDs as sixteen bytes: reading, writing, comparing, and making version 7 ones.
 *
 * Overview: the text form is always the 36 lower-case characters of RFC 9562; reading accepts both
 * cases. Version 7 ids of one thread are strictly increasing (RFC 9562, 6.2, method 1: a 12-bit
 * counter seeded at random in every new millisecond, advancing the time when it overflows).
 * Threads: any; uuid_v7 keeps its state per thread.
 */
#ifndef UTIL_UUID_H
#define UTIL_UUID_H

#include "util/base.h"

#define UUID_TEXT_LEN 36

struct uuid {
	uint8_t bytes[16];
};

/** Read exactly @len == 36 characters of 8-4-4-4-12 hexadecimal digits. False when they are not. */
bool uuid_parse(const char *text, size_t len, struct uuid *out) MUST_CHECK;

/** Write 36 characters and no NUL. */
void uuid_write(const struct uuid *u, char *out);

/** Write 36 characters and a NUL. */
void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1]);

int uuid_compare(const struct uuid *a, const struct uuid *b);

static inline bool uuid_is_equal(const struct uuid *a, const struct uuid *b)
{
	return __builtin_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/** A good 64-bit hash for tables in memory; mixes all bytes. */
uint64_t uuid_hash(const struct uuid *u);

/** A new version 7 UUID for wall time @now_ms (milliseconds since 1970); randomness from
 * getrandom(2). */
void uuid_v7(int64_t now_ms, struct uuid *out);

#endif
