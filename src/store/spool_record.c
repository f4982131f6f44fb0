/*
 * Writing and finding spool records.
 *
 * Pure functions.
 */
#include "store/spool_record.h"

#include <endian.h>
#include <string.h>

#include "util/crc32c.h"
#include "util/uuid.h"

#define MARK 0x4C4F5053u /* "SPOL" */
#define CRC_AT 4
#define LENGTH_AT 8
#define KIND_AT 12
#define KEY_AT 16
#define HEAD_LEN (KEY_AT + UUID_TEXT_LEN)

static uint32_t get_u32(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static void put_u32(char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

size_t spool_record_size(uint32_t value_len)
{
	return HEAD_LEN + (size_t)value_len;
}

void spool_record_write(const struct spool_record *record, struct buf *out)
{
	char head[HEAD_LEN] = {0};
	put_u32(head, MARK);
	put_u32(head + LENGTH_AT, record->value_len);
	head[KIND_AT] = (char)record->kind;
	memcpy(head + KEY_AT, record->key, UUID_TEXT_LEN);
	uint32_t crc = crc32c(0, head + LENGTH_AT, sizeof(head) - LENGTH_AT);
	crc = crc32c(crc, record->value, record->value_len);
	put_u32(head + CRC_AT, crc);
	buf_add(out, head, sizeof(head));
	buf_add(out, record->value, record->value_len);
}

/* Does a header stand here whose record would end inside the bytes? */
static bool fits(const char *p, size_t left)
{
	return left >= HEAD_LEN && get_u32(p) == MARK && get_u32(p + LENGTH_AT) <= left - HEAD_LEN;
}

static bool read_record(const char *p, size_t left, struct spool_record *out)
{
	if (!fits(p, left))
		return false;
	const uint32_t value_len = get_u32(p + LENGTH_AT);
	if (crc32c(0, p + LENGTH_AT, HEAD_LEN - LENGTH_AT + value_len) != get_u32(p + CRC_AT) ||
	    (unsigned char)p[KIND_AT] >= EVENT_KINDS)
		return false;
	*out = (struct spool_record){
		.kind = (enum event_kind)p[KIND_AT],
		.key = p + KEY_AT,
		.value = p + HEAD_LEN,
		.value_len = value_len,
	};
	return true;
}

bool spool_record_find(const char *data, size_t len, size_t at, struct spool_record *out,
		       size_t *found)
{
	char mark[4];
	put_u32(mark, MARK);
	while (at < len) {
		const char *p = memmem(data + at, len - at, mark, sizeof(mark));
		if (p == NULL)
			return false;
		*found = (size_t)(p - data);
		if (read_record(p, len - *found, out))
			return true;
		at = *found + 1;
	}
	return false;
}

bool spool_record_is_torn(const char *data, size_t len)
{
	size_t zeros = 0;
	while (zeros < len && data[zeros] == '\0')
		zeros++;
	if (zeros == len || len < HEAD_LEN)
		return true;
	return get_u32(data) == MARK && !fits(data, len);
}
