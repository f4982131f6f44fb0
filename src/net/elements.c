/*
 * Cutting bodies into elements.
 *
 * Pure functions.
 */
#include "net/elements.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct elements *e)
{
	while (e->at < e->end && is_space(*e->at))
		e->at++;
}

static bool fail(struct elements *e, const char *error)
{
	e->error = error;
	return false;
}

/* The end of the string whose opening quote is at @p; @end if it does not close. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\')
			p++;
	}
	return p < end ? p + 1 : end;
}

/* Where the element at @p ends: a comma or closing bracket on its own level; @end if there is none.
 */
static const char *skip_element(const char *p, const char *end)
{
	size_t depth = 0;
	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		if (depth == 0 && (*p == ',' || *p == ']' || *p == '}'))
			return p;
		if (*p == '[' || *p == '{')
			depth++;
		else if (*p == ']' || *p == '}')
			depth--;
		p++;
	}
	return end;
}

static bool end_array(struct elements *e)
{
	e->at++;
	skip_space(e);
	return e->at == e->end ? false : fail(e, "something follows the array");
}

static bool next_of_array(struct elements *e)
{
	skip_space(e);
	if (e->at == e->end)
		return fail(e, "the array does not end");
	if (e->n == 0) {
		ASSERT(*e->at == '['); /* the caller looked */
		e->at++;
		skip_space(e);
		if (e->at < e->end && *e->at == ']')
			return end_array(e);
	} else if (*e->at == ']') {
		return end_array(e);
	} else if (*e->at != ',') {
		return fail(e, "expected a comma or the end of the array");
	} else {
		e->at++;
	}
	skip_space(e);
	e->text = e->at;
	e->at = skip_element(e->at, e->end);
	e->len = (size_t)(e->at - e->text);
	if (e->at == e->end)
		return fail(e, "the array does not end");
	if (e->len == 0)
		return fail(e, "an element is missing");
	e->n++;
	return true;
}

static bool next_of_lines(struct elements *e)
{
	skip_space(e); /* blank lines, too */
	if (e->at == e->end)
		return false;
	const char *newline = memchr(e->at, '\n', (size_t)(e->end - e->at));
	e->text = e->at;
	e->at = newline == NULL ? e->end : newline;
	e->len = (size_t)(e->at - e->text);
	e->n++;
	return true;
}

struct elements elements_of_array(const char *text, size_t len)
{
	return (struct elements){.at = text, .end = text + len, .is_array = true};
}

struct elements elements_of_lines(const char *text, size_t len)
{
	return (struct elements){.at = text, .end = text + len, .is_array = false};
}

bool elements_next(struct elements *e)
{
	if (e->error != NULL)
		return false;
	return e->is_array ? next_of_array(e) : next_of_lines(e);
}

char elements_first_char(const char *text, size_t len)
{
	size_t i = 0;
	while (i < len && is_space(text[i]))
		i++;
	return i < len ? text[i] : '\0';
}
