/*
 * The set of UUIDs: one array of slots.
 *
 * Runs on the thread that owns the set.
 */
#include "util/uuid_set.h"

#include <stdlib.h>

#define UUID_SET_MIN 64

static const struct uuid nil;

/* The slot that holds @id, or the free one where it belongs. */
static struct uuid *find(const struct uuid_set *s, const struct uuid *id)
{
	size_t i = uuid_hash(id) & (s->capacity - 1);
	while (!uuid_is_equal(&s->slots[i], &nil) && !uuid_is_equal(&s->slots[i], id))
		i = (i + 1) & (s->capacity - 1);
	return &s->slots[i];
}

static void grow(struct uuid_set *s)
{
	struct uuid_set bigger = {
		.capacity = s->capacity == 0 ? UUID_SET_MIN : s->capacity * 2,
		.count = s->count,
	};
	bigger.slots = xcalloc(bigger.capacity, sizeof(*bigger.slots));
	for (size_t i = 0; i < s->capacity; i++) {
		if (!uuid_is_equal(&s->slots[i], &nil))
			*find(&bigger, &s->slots[i]) = s->slots[i];
	}
	free(s->slots);
	*s = bigger;
}

bool uuid_set_add(struct uuid_set *s, const struct uuid *id)
{
	if (uuid_is_equal(id, &nil) || uuid_set_has(s, id))
		return false;
	if (s->count * 2 >= s->capacity)
		grow(s);
	*find(s, id) = *id;
	s->count++;
	return true;
}

bool uuid_set_has(const struct uuid_set *s, const struct uuid *id)
{
	return s->capacity > 0 && !uuid_is_equal(id, &nil) && uuid_is_equal(find(s, id), id);
}

void uuid_set_release(struct uuid_set *s)
{
	free(s->slots);
	*s = (struct uuid_set)UUID_SET_INIT;
}
