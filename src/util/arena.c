/*
 * The arena: a chain of blocks filled one after the other.
 *
 * Runs on the thread that owns the arena.
 */
#include "util/arena.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 65536

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	char data[] __attribute__((aligned(8)));
};

static struct arena_block *new_block(size_t at_least)
{
	const size_t size = at_least > ARENA_BLOCK ? at_least : ARENA_BLOCK;
	struct arena_block *b = xmalloc(sizeof(*b) + size);
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	if (a->current == NULL)
		a->first = a->current = new_block(size);
	while (a->current->size - a->current->used < size) {
		if (a->current->next == NULL)
			a->current->next = new_block(size);
		a->current = a->current->next;
	}
	void *p = a->current->data + a->current->used;
	a->current->used += size;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void arena_clear(struct arena *a)
{
	for (struct arena_block *b = a->first; b != NULL; b = b->next)
		b->used = 0;
	a->current = a->first;
}

void arena_release(struct arena *a)
{
	struct arena_block *next;
	for (struct arena_block *b = a->first; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena)ARENA_INIT;
}
