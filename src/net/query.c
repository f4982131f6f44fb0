/*
 * Taking a query string apart.
 *
 * Pure functions, but for the memory of the two buffers.
 */
#include "net/query.h"

#include <string.h>

#include "util/json.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode(const char *text, size_t len, struct buf *out)
{
	buf_clear(out);
	buf_reserve(out, len);
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			buf_addc(out, text[i] == '+' ? ' ' : text[i]);
			continue;
		}
		if (len - i < 3)
			return false;
		const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		buf_addc(out, (char)(high << 4 | low));
		i += 2;
	}
	out->data[out->len] = '\0'; /* reserved, and nothing was added if @len is 0 */
	return utf8_is_valid(out->data, out->len);
}

struct query query_of(const char *text)
{
	return (struct query){
		.rest = text == NULL ? "" : text, .name = BUF_INIT, .value = BUF_INIT};
}

bool query_next(struct query *q)
{
	q->rest += strspn(q->rest, "&");
	if (*q->rest == '\0')
		return false;
	const size_t len = strcspn(q->rest, "&");
	const char *equals = memchr(q->rest, '=', len);
	const size_t name_len = equals == NULL ? len : (size_t)(equals - q->rest);
	const char *value = equals == NULL ? "" : equals + 1;
	const size_t value_len = equals == NULL ? 0 : len - name_len - 1;
	q->broken = !decode(q->rest, name_len, &q->name) || !decode(value, value_len, &q->value);
	q->rest += len;
	return !q->broken;
}

void query_release(struct query *q)
{
	buf_release(&q->name);
	buf_release(&q->value);
}
