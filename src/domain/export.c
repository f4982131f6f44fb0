/*
 * Exports: their life, their months, their cursors.
 *
 * Pure functions, but for the memory of an export. A cursor is the kind, the time in microseconds,
 * for credits the model's number and the touch's place, and the id, with points between. The id
 * comes last: it has its fixed length, so a cursor that was cut anywhere is none.
 */
#include "domain/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/datetime.h"

#define US_PER_MS 1000
#define TIME_US_MAX 260000000000000000 /* further from 1970 than the years 1 and 9999 */
#define TOUCH_MAX 1000000

#define EXPORT_WORD(kind, word) [kind] = word,
static const char *const words[EXPORT_KINDS] = {EXPORT_LIST(EXPORT_WORD)};
#undef EXPORT_WORD

struct export *export_new(void)
{
	struct export *x = xcalloc(1, sizeof(*x));
	x->question.limit = EXPORT_ROWS_ALL;
	x->question.models = (1u << MODELS) - 1;
	return x;
}

void export_free(struct export *x)
{
	if (x == NULL)
		return;
	buf_release(&x->text);
	free(x);
}

const char *export_kind_word(enum export_kind kind)
{
	ASSERT(kind < EXPORT_KINDS);
	return words[kind];
}

bool export_kind_parse(const char *word, enum export_kind *out)
{
	for (int k = 0; k < EXPORT_KINDS; k++) {
		if (strcmp(word, words[k]) == 0) {
			*out = (enum export_kind)k;
			return true;
		}
	}
	return false;
}

int32_t export_month_of(int64_t time_us)
{
	/* Rounding towards 1970 is fine: no month begins within a millisecond that is cut. */
	const int32_t day = day_of_ms(time_us / US_PER_MS);
	if (day < EXPORT_MONTH_FIRST)
		return EXPORT_MONTH_PAST;
	return day >= EXPORT_MONTH_FUTURE ? EXPORT_MONTH_FUTURE : month_of_day(day);
}

bool export_is_behind(int32_t model, int32_t touch, const struct export_place *b)
{
	return model > b->model || (model == b->model && touch > b->touch);
}

void export_cursor_format(enum export_kind kind, const struct export_place *place,
			  char out[EXPORT_CURSOR_MAX])
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&place->id, id);
	if (kind == EXPORT_CREDITS)
		(void)snprintf(out, EXPORT_CURSOR_MAX, "%s.%" PRId64 ".%" PRId32 ".%" PRId32 ".%s",
			       words[kind], place->time_us, place->model, place->touch, id);
	else
		(void)snprintf(out, EXPORT_CURSOR_MAX, "%s.%" PRId64 ".%s", words[kind],
			       place->time_us, id);
}

/* A number and the point behind it; *@at moves behind both. */
static bool read_number(const char **at, int64_t low, int64_t high, int64_t *out)
{
	char *end;
	if (**at != '-' && (**at < '0' || **at > '9'))
		return false;
	errno = 0;
	*out = strtoll(*at, &end, 10);
	if (errno != 0 || end == *at || *end != '.' || *out < low || *out > high)
		return false;
	*at = end + 1;
	return true;
}

bool export_cursor_parse(enum export_kind kind, const char *text, struct export_place *out)
{
	const size_t len = strlen(words[kind]);
	int64_t model = MODELS, touch = 0;
	*out = (struct export_place){.model = MODELS};
	if (strncmp(text, words[kind], len) != 0 || text[len] != '.')
		return false;
	const char *at = text + len + 1;
	if (!read_number(&at, -TIME_US_MAX, TIME_US_MAX, &out->time_us))
		return false;
	if (kind == EXPORT_CREDITS &&
	    (!read_number(&at, 0, MODELS - 1, &model) || !read_number(&at, 1, TOUCH_MAX, &touch)))
		return false;
	out->model = (int32_t)model;
	out->touch = (int32_t)touch;
	return uuid_parse(at, strlen(at), &out->id);
}
