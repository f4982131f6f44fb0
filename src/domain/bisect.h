/*
 * The search for bad items in a row of items that can only be tried a prefix at a time.
 *
 * Overview: each turn a prefix is tried; it passes whole, and is gone, or is refused whole, and is
 * still there. An item is found bad only when it was refused alone, and not at the very first try:
 * the caller may learn from that one. One bad item among n costs about log2(n) tries; where every
 * item is bad each costs one, since the search learns from the distance between two bad ones how
 * many to try at first. Usage: try bisect_limit() items, or all that are left if these are fewer,
 * and report the outcome. An item found bad is not tried again; the caller takes it out. Threads:
 * pure functions over the caller's struct.
 */
#ifndef DOMAIN_BISECT_H
#define DOMAIN_BISECT_H

#include "util/base.h"

/* Zeroed: nothing was refused yet, try everything. */
struct bisect {
	uint32_t suspects; /* at least one of the next so many is bad; 0: nothing is suspected */
	uint32_t pace;	   /* how many to try while nothing is suspected; 0: everything */
	uint32_t passed;   /* good ones since the last bad one */
};

/** How many items to try next; UINT32_MAX: all of them. */
uint32_t bisect_limit(const struct bisect *s);

/** @n items were tried and passed. */
void bisect_passed(struct bisect *s, uint32_t n);

/** @n items, 1 or more, were tried and refused. True: there was one, and it is bad. */
bool bisect_refused(struct bisect *s, uint32_t n) MUST_CHECK;

#endif
