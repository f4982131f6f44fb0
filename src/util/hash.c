/*
 * FNV-1a with 128 bits.
 *
 * Pure functions.
 */
#include "util/hash.h"

struct hash128 hash128(const void *data, size_t len)
{
	const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
	unsigned __int128 hash = (unsigned __int128)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * prime;
	return (struct hash128){(uint64_t)(hash >> 64), (uint64_t)hash};
}
