/*
 * How one event lies in a spool segment, and how records are found again after damage.
 *
 *      mark u32 | crc32c u32 | value length u32 | kind u8, 3 zero | key 36 | value
 *                              `------------- checked by the crc --------------'
 *
 * Overview: numbers are little-endian. The mark lets a reader find the next record behind damaged
 * bytes; it cannot lie inside a value together with a valid header, since values are JSON text and
 * a header holds zero bytes. Threads: any. Ownership: a found record borrows from the bytes it was
 * found in.
 */
#ifndef STORE_SPOOL_RECORD_H
#define STORE_SPOOL_RECORD_H

#include "domain/event.h"
#include "util/buf.h"

struct spool_record {
	enum event_kind kind;
	const char *key; /* the user id, UUID_TEXT_LEN characters; borrowed */
	const char *value;
	uint32_t value_len;
};

/** Bytes that a record with a value of this length takes. */
size_t spool_record_size(uint32_t value_len);

void spool_record_write(const struct spool_record *record, struct buf *out);

/** The first whole record at or behind @at in the @len bytes of @data: its position in *found. */
bool spool_record_find(const char *data, size_t len, size_t at, struct spool_record *out,
		       size_t *found) MUST_CHECK;

/**
 * Bytes without a whole record at the end of a segment: were they cut short while being written
 * (true: nobody was told that they are safe), or is it a record that was whole once?
 */
bool spool_record_is_torn(const char *data, size_t len) MUST_CHECK;

#endif
