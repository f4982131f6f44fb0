/*
 * Halving what is suspected, and growing again where nothing is.
 *
 * Pure functions.
 */
#include "domain/bisect.h"

#define GROWTH 8 /* after a try that passed with nothing suspected */

uint32_t bisect_limit(const struct bisect *s)
{
	if (s->suspects > 0)
		return s->suspects > 1 ? s->suspects / 2 : 1;
	return s->pace > 0 ? s->pace : UINT32_MAX;
}

void bisect_passed(struct bisect *s, uint32_t n)
{
	s->passed = s->passed < UINT32_MAX - n ? s->passed + n : UINT32_MAX;
	if (s->suspects > 0)
		s->suspects = s->suspects > n ? s->suspects - n : 0;
	else
		s->pace = s->pace < UINT32_MAX / GROWTH ? s->pace * GROWTH : UINT32_MAX;
}

bool bisect_refused(struct bisect *s, uint32_t n)
{
	ASSERT(n > 0);
	const bool is_first = s->suspects == 0 && s->pace == 0;
	s->suspects = n > 1 || is_first ? n : 0;
	if (s->suspects > 0)
		return false;
	s->pace = s->passed < UINT32_MAX / 2 ? 2 * s->passed + 1 : UINT32_MAX;
	s->passed = 0;
	return true;
}
