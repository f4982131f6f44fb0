/*
 * Finding the keys of an object.
 *
 * Pure functions; any thread.
 */
#include "domain/fields.h"

#include <stdio.h>
#include <string.h>

bool refusal_set(struct refusal *out, const char *code, const char *field, const char *message)
{
	/* A name that a client sent may be long. */
	const size_t len = utf8_cut(field, sizeof(out->field) - 1);
	out->code = code;
	memcpy(out->field, field, len);
	out->field[len] = '\0';
	(void)snprintf(out->message, sizeof(out->message), "%s", message);
	return false;
}

bool fields_find(const cJSON *object, const char *const *names, int n, const char *expected,
		 const cJSON **at, struct refusal *out)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		int k = 0;
		while (k < n && strcmp(item->string, names[k]) != 0)
			k++;
		if (k == n)
			return refusal_set(out, "invalid_field", item->string, expected);
		if (at[k] != NULL)
			return refusal_set(out, "duplicate_field", names[k],
					   "stands twice; expected it once");
		at[k] = item;
	}
	return true;
}

bool text_is_plain(const char *text, size_t most)
{
	const size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	const size_t count = utf8_count(text, len);
	return count >= 1 && count <= most;
}
