/*
 * Members of a JSON object.
 *
 * Pure functions over the caller's buffer.
 */
#include "util/fields.h"

#include <inttypes.h>
#include <string.h>

#include "util/datetime.h"

void field_next(struct buf *b)
{
	if (b->len > 0 && strchr("{[", b->data[b->len - 1]) == NULL)
		buf_addc(b, ',');
}

void field_key(struct buf *b, const char *key)
{
	field_next(b);
	buf_addf(b, "\"%s\":", key);
}

void field_null(struct buf *b, const char *key)
{
	field_key(b, key);
	buf_adds(b, "null");
}

void field_bool(struct buf *b, const char *key, bool value)
{
	field_key(b, key);
	buf_adds(b, value ? "true" : "false");
}

void field_int(struct buf *b, const char *key, int64_t value)
{
	field_key(b, key);
	buf_addf(b, "%" PRId64, value);
}

void field_uuid(struct buf *b, const char *key, const struct uuid *value)
{
	char text[UUID_TEXT_LEN + 1];
	uuid_format(value, text);
	field_text(b, key, text, UUID_TEXT_LEN);
}

void field_time(struct buf *b, const char *key, int64_t ms)
{
	char text[RFC3339_TEXT_LEN];
	datetime_write(ms, text);
	field_text(b, key, text, sizeof(text));
}

void field_text(struct buf *b, const char *key, const char *value, size_t len)
{
	field_key(b, key);
	buf_add_json(b, value, len);
}

void field_string(struct buf *b, const char *key, const char *value)
{
	if (value == NULL)
		field_null(b, key);
	else
		field_text(b, key, value, strlen(value));
}
