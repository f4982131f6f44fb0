/*
 * A set of UUIDs in memory that only grows: open addressing, linear probing, half full at most.
 *
 * Usage: struct uuid_set s = UUID_SET_INIT; uuid_set_add(&s, &id); uuid_set_has(&s, &id);
 * uuid_set_release(&s). Threads: one thread at a time. The nil UUID marks a free slot and cannot be
 * a member.
 */
#ifndef UTIL_UUID_SET_H
#define UTIL_UUID_SET_H

#include "util/uuid.h"

struct uuid_set {
	struct uuid *slots;
	size_t capacity; /* a power of two, 0 before the first add */
	size_t count;
};

#define UUID_SET_INIT                                                                              \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

/** True if @id was not a member before; false for members and the nil UUID. */
bool uuid_set_add(struct uuid_set *s, const struct uuid *id);

bool uuid_set_has(const struct uuid_set *s, const struct uuid *id);

void uuid_set_release(struct uuid_set *s);

#endif
