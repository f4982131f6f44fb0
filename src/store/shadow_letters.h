/*
 * Dead letters that do not follow from the log alone, and the messages put off because of them.
 *
 * Overview: see deferred_note in tools/rebuild.c. letters_read() lists them from the live tables
 * with the reason under which a rebuild is to keep the message at first; letters_take_back() hands
 * out what was put off, once everything else is booked. Threads: the one that owns the connection.
 */
#ifndef STORE_SHADOW_LETTERS_H
#define STORE_SHADOW_LETTERS_H

#include "domain/msg.h"
#include "store/pg.h"

struct shadow_letter {
	int32_t partition;
	enum event_kind topic;
	int64_t offset;
	const char *reason; /* see above; static storage */
};

/** The letters by partition, topic, offset; @out is the caller's (free), also on failure. */
enum err letters_read(struct pg *pg, const struct config *cfg, int32_t partitions,
		      struct shadow_letter **out, size_t *n) MUST_CHECK;

/** Called with each message that was put off; it is borrowed for the call. */
typedef void letter_record_fn(void *context, const struct record *record);

/** Hand out what was put off of @partition, its fence opened for reading it again. */
enum err letters_take_back(struct pg *pg, const struct config *cfg, int32_t partition,
			   letter_record_fn *fn, void *context) MUST_CHECK;

/** Nothing of @partition is to be read again any more. */
enum err letters_settle(struct pg *pg, int32_t partition) MUST_CHECK;

#endif
