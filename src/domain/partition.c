/*
 * murmur2 as Kafka's Java clients compute it, so that any producer puts a user where we do.
 *
 * Pure functions.
 */
#include "domain/partition.h"

#define MURMUR2_M 0x5bd1e995u
#define MURMUR2_R 24
#define MURMUR2_SEED 0x9747b28cu

uint32_t murmur2(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t h = MURMUR2_SEED ^ (uint32_t)len;
	for (; len >= 4; len -= 4, p += 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			     (uint32_t)p[3] << 24;
		k *= MURMUR2_M;
		k ^= k >> MURMUR2_R;
		k *= MURMUR2_M;
		h *= MURMUR2_M;
		h ^= k;
	}
	if (len >= 3)
		h ^= (uint32_t)p[2] << 16;
	if (len >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (len >= 1) {
		h ^= p[0];
		h *= MURMUR2_M;
	}
	h ^= h >> 13;
	h *= MURMUR2_M;
	h ^= h >> 15;
	return h;
}

int32_t partition_of_user(const struct uuid *user, int32_t partitions)
{
	char text[UUID_TEXT_LEN];
	uuid_write(user, text);
	return (int32_t)(murmur2(text, sizeof(text)) & 0x7fffffffu) % partitions;
}
