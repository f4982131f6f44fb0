/*
 * The strict scanner in front of cJSON.
 *
 * Threads: any. The scanner goes over the text once, with a word of bits instead of recursion: bit
 * i of in_object says whether the container i levels up is an object. It refuses what cJSON would
 * take (a comma too many is refused by both, but 01, a raw newline in a string, broken UTF-8 or
 * text behind the value only here) and what cJSON cannot keep (\u0000, numbers longer than its own
 * 63 bytes).
 */
#include "util/json.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_MAX 63 /* what cJSON copies before it calls strtod */

enum expect {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END, /* behind [ */
	EXPECT_KEY,
	EXPECT_KEY_OR_END, /* behind { */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END, /* behind a value; at depth 0: nothing */
};

struct scan {
	const unsigned char *text;
	size_t len;
	size_t pos;
	enum expect expect;
	int depth;
	uint32_t in_object;  /* bit 0 is the innermost container */
	const char *problem; /* static text, set by the step that failed at pos */
};

static bool fail(struct scan *s, const char *problem)
{
	s->problem = problem;
	return false;
}

/* The byte at pos + @ahead, or 0 at the end; 0 is never valid where this is asked. */
static unsigned char peek(const struct scan *s, size_t ahead)
{
	return ahead < s->len - s->pos ? s->text[s->pos + ahead] : 0;
}

static void skip_space(struct scan *s)
{
	while (peek(s, 0) == ' ' || peek(s, 0) == '\t' || peek(s, 0) == '\n' || peek(s, 0) == '\r')
		s->pos++;
}

static size_t skip_digits(struct scan *s)
{
	const size_t start = s->pos;

	while (peek(s, 0) >= '0' && peek(s, 0) <= '9')
		s->pos++;
	return s->pos - start;
}

/* The length of the UTF-8 sequence at @p, 0 if it is not well-formed or longer than @left. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc0 && p[0] < 0xe0)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf8)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	uint32_t code = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return n;
}

/* The four hexadecimal digits at pos + @ahead, -1 if they are not. */
static int32_t peek_hex4(const struct scan *s, size_t ahead)
{
	int32_t code = 0;

	for (size_t i = 0; i < 4; i++) {
		const unsigned char c = peek(s, ahead + i);
		if (c >= '0' && c <= '9')
			code = code << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code = code << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return code;
}

static bool scan_escape(struct scan *s)
{
	const unsigned char c = peek(s, 1);

	if (c != 'u') {
		if (c == 0 || strchr("\"\\/bfnrt", c) == NULL)
			return fail(s, "a string has an unknown escape");
		s->pos += 2;
		return true;
	}
	const int32_t code = peek_hex4(s, 2);
	if (code < 0)
		return fail(s, "a string has \\u without four hexadecimal digits");
	if (code == 0)
		return fail(s, "a string contains \\u0000");
	if (code < 0xd800 || code > 0xdfff) {
		s->pos += 6;
		return true;
	}
	const int32_t low = peek(s, 6) == '\\' && peek(s, 7) == 'u' ? peek_hex4(s, 8) : -1;
	if (code > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return fail(s, "a string has one half of a surrogate pair");
	s->pos += 12;
	return true;
}

static bool scan_string(struct scan *s)
{
	const size_t start = s->pos++;

	while (s->pos < s->len) {
		const unsigned char c = s->text[s->pos];
		if (c == '"') {
			s->pos++;
			return true;
		}
		if (c < 0x20)
			return fail(s, "a string contains a control character");
		if (c == '\\') {
			if (!scan_escape(s))
				return false;
			continue;
		}
		const size_t n = utf8_sequence(s->text + s->pos, s->len - s->pos);
		if (n == 0)
			return fail(s, "a string is not valid UTF-8");
		s->pos += n;
	}
	s->pos = start;
	return fail(s, "a string does not end");
}

static bool scan_number(struct scan *s)
{
	const size_t start = s->pos;

	if (peek(s, 0) == '-')
		s->pos++;
	const bool zero = peek(s, 0) == '0';
	const size_t digits = skip_digits(s);
	if (digits == 0 || (zero && digits > 1))
		goto malformed;
	if (peek(s, 0) == '.') {
		s->pos++;
		if (skip_digits(s) == 0)
			goto malformed;
	}
	if (peek(s, 0) == 'e' || peek(s, 0) == 'E') {
		s->pos++;
		if (peek(s, 0) == '+' || peek(s, 0) == '-')
			s->pos++;
		if (skip_digits(s) == 0)
			goto malformed;
	}
	if (s->pos - start <= NUMBER_MAX)
		return true;
	s->pos = start;
	return fail(s, "a number is longer than 63 characters");

malformed:
	s->pos = start;
	return fail(s, "a number is malformed");
}

static bool scan_literal(struct scan *s)
{
	static const char *const literals[] = {"true", "false", "null"};

	for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
		const size_t n = strlen(literals[i]);
		if (s->len - s->pos >= n && memcmp(s->text + s->pos, literals[i], n) == 0) {
			s->pos += n;
			return true;
		}
	}
	return fail(s, "a value is expected");
}

static bool scan_open(struct scan *s, bool object)
{
	if (s->depth == JSON_DEPTH_MAX)
		return fail(s, "the nesting is deeper than 32");
	s->depth++;
	s->in_object = s->in_object << 1 | object;
	s->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	s->pos++;
	return true;
}

static bool scan_close(struct scan *s)
{
	s->depth--;
	s->in_object >>= 1;
	s->expect = EXPECT_COMMA_OR_END;
	s->pos++;
	return true;
}

static bool scan_value(struct scan *s)
{
	const unsigned char c = peek(s, 0);

	if (c == '{' || c == '[')
		return scan_open(s, c == '{');
	s->expect = EXPECT_COMMA_OR_END;
	if (c == '"')
		return scan_string(s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(s);
	return scan_literal(s);
}

static bool scan_comma_or_end(struct scan *s)
{
	const bool object = s->in_object & 1;
	const unsigned char c = peek(s, 0);

	if (c == (object ? '}' : ']'))
		return scan_close(s);
	if (c != ',')
		return fail(s, object ? "a comma or } is expected" : "a comma or ] is expected");
	s->expect = object ? EXPECT_KEY : EXPECT_VALUE;
	s->pos++;
	return true;
}

/* Go over one token. */
static bool scan_step(struct scan *s)
{
	const unsigned char c = peek(s, 0);

	if (s->pos == s->len)
		return fail(s, "the text ends too early");
	switch (s->expect) {
	case EXPECT_VALUE_OR_END:
		return c == ']' ? scan_close(s) : scan_value(s);
	case EXPECT_VALUE:
		return scan_value(s);
	case EXPECT_KEY_OR_END:
	case EXPECT_KEY:
		if (c == '}' && s->expect == EXPECT_KEY_OR_END)
			return scan_close(s);
		if (c != '"')
			return fail(s, "a key in double quotes is expected");
		s->expect = EXPECT_COLON;
		return scan_string(s);
	case EXPECT_COLON:
		if (c != ':')
			return fail(s, "a colon is expected");
		s->expect = EXPECT_VALUE;
		s->pos++;
		return true;
	case EXPECT_COMMA_OR_END:
		return scan_comma_or_end(s);
	}
	ASSERT(false);
	return false;
}

static bool scan_text(struct scan *s)
{
	if (peek(s, 0) == 0xef && peek(s, 1) == 0xbb && peek(s, 2) == 0xbf)
		return fail(s, "a byte order mark stands before the value");
	do {
		skip_space(s);
		if (!scan_step(s))
			return false;
	} while (s->depth > 0 || s->expect != EXPECT_COMMA_OR_END);
	skip_space(s);
	return s->pos == s->len || fail(s, "there is text behind the value");
}

cJSON *json_parse(const char *text, size_t len, char error[JSON_ERROR_MAX])
{
	struct scan s = {.text = (const unsigned char *)text, .len = len, .expect = EXPECT_VALUE};
	cJSON *tree = NULL;

	if (scan_text(&s)) {
		tree = cJSON_ParseWithLengthOpts(text, len, NULL, false);
		if (tree == NULL) {
			s.pos = 0;
			s.problem = "the parser refused the text";
		}
	}
	if (tree == NULL)
		snprintf(error, JSON_ERROR_MAX, "byte %zu: %s", s.pos + 1, s.problem);
	return tree;
}

bool utf8_is_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t pos = 0; pos < len;) {
		const size_t n = utf8_sequence(p + pos, len - pos);
		if (n == 0)
			return false;
		pos += n;
	}
	return true;
}

size_t utf8_cut(const char *text, size_t most)
{
	size_t len = strnlen(text, most + 1);
	if (len <= most)
		return len;
	for (len = most; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

size_t utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}
