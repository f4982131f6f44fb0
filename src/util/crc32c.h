/*
 * CRC-32C (Castagnoli), the checksum of the spool's records.
 *
 * Overview: reflected polynomial 0x82F63B78, initial value and final complement all ones, as in RFC
 * 3720 appendix B.4. Usage: crc = crc32c(0, head, n); crc = crc32c(crc, rest, m). Threads: any.
 */
#ifndef UTIL_CRC32C_H
#define UTIL_CRC32C_H

#include "util/base.h"

/** Continue @crc (0 to begin) over @len bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len) MUST_CHECK;

#endif
