/*
 * CRC-32C, eight bytes a step where the processor has the instruction, one by one where it has not.
 *
 * Pure functions; the table is constant, made by the compiler from the polynomial.
 */
#include "util/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u
#define STEP(c) ((c)&1u ? (c) >> 1 ^ POLYNOMIAL : (c) >> 1)

static uint32_t update_bytes(uint32_t crc, const unsigned char *p, size_t len)
{
	/* One nibble at a time: a table of 16 entries, (n * x^4) mod the polynomial. */
	static const uint32_t nibbles[16] = {
#define NIBBLE(n) STEP(STEP(STEP(STEP((uint32_t)(n)))))
		NIBBLE(0),  NIBBLE(1),	NIBBLE(2),  NIBBLE(3),	NIBBLE(4),  NIBBLE(5),
		NIBBLE(6),  NIBBLE(7),	NIBBLE(8),  NIBBLE(9),	NIBBLE(10), NIBBLE(11),
		NIBBLE(12), NIBBLE(13), NIBBLE(14), NIBBLE(15),
#undef NIBBLE
	};
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t update_words(uint32_t crc, const unsigned char *p,
							       size_t len)
{
	uint64_t wide = crc;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	return update_bytes((uint32_t)wide, p, len);
}

static uint32_t update(uint32_t crc, const unsigned char *p, size_t len)
{
	return __builtin_cpu_supports("sse4.2") ? update_words(crc, p, len)
						: update_bytes(crc, p, len);
}
#else
static uint32_t update(uint32_t crc, const unsigned char *p, size_t len)
{
	return update_bytes(crc, p, len);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return ~update(~crc, data, len);
}
