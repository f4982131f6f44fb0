/*
 * Memory for many small things that die together.
 *
 * Usage: struct arena a = ARENA_INIT; p = arena_alloc(&a, n); arena_clear(&a); arena_release(&a).
 * Overview: blocks are chained and kept by arena_clear; allocations are aligned to 8 bytes and
 * never move. Threads: one thread at a time. Ownership: everything allocated belongs to the arena.
 */
#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include "util/base.h"

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
};

#define ARENA_INIT                                                                                 \
	{                                                                                          \
		NULL, NULL                                                                         \
	}

void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;

/** A copy of @len bytes with a NUL behind them. */
char *arena_strndup(struct arena *a, const char *s, size_t len) MUST_CHECK;

/** Everything allocated so far is gone; the blocks stay. */
void arena_clear(struct arena *a);

void arena_release(struct arena *a);

#endif
