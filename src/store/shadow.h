/*
 * Shadow tables: a schema of the same database in which the tables are made anew from the log, and
 * their comparison with the live ones.
 *
 * Overview: shadow_create() makes the schema, shadow_snapshot() notes in one snapshot where the
 * live fences stand, what the live tables hold (as marks, see schema/queries/shadow_marks.sql), and
 * copies what is not in the log: campaigns, windows, the deployment. The caller books the log into
 * it with a ledger of that schema; shadow_journals() follows; shadow_compare() tells. A schema that
 * was not made here is never touched. Threads: main. Ownership: the struct owns its connections.
 */
#ifndef STORE_SHADOW_H
#define STORE_SHADOW_H

#include "store/fence.h"
#include "store/shadow_letters.h"

struct shadow;

/** @cfg and @schema are borrowed; @schema needs no quotes. Does not connect yet. */
struct shadow *shadow_new(const struct config *cfg, struct metrics *metrics,
			  const char *schema) MUST_CHECK;
void shadow_free(struct shadow *s);

/** The last error of its connections, one line. */
const char *shadow_error(const struct shadow *s);

/** Connect to the live tables; ERR_DOWN may be tried again. */
enum err shadow_connect(struct shadow *s) MUST_CHECK;

enum shadow_place { SHADOW_FREE, SHADOW_OLD, SHADOW_FOREIGN };

/** What has the schema's name now? Nothing, an older shadow, or something else; a name on the
 * search path, where servers would find the shadow for the live tables, counts as that. */
enum err shadow_find(struct shadow *s, enum shadow_place *out) MUST_CHECK;

/** Do the live tables have this program's version? ERR_NOT_FOUND: no. */
enum err shadow_check_version(struct shadow *s) MUST_CHECK;

/** ERR_BUSY while a recompute was switched to and is not folded in: the tables alone do not say
 * what counts. */
enum err shadow_check_settled(struct shadow *s) MUST_CHECK;

/** Fences of the live tables. */
enum err shadow_live_fences(struct shadow *s, struct fence_row **out, int *n) MUST_CHECK;

/** Make the schema with empty tables. */
enum err shadow_create(struct shadow *s) MUST_CHECK;
enum err shadow_drop(struct shadow *s) MUST_CHECK;

struct shadow_snapshot {
	int32_t partitions;
	struct fence_row *fences;
	int n_fences;
	struct shadow_letter *letters; /* by partition, topic, offset */
	size_t n_letters;
	int32_t listed_through, closed_through; /* days */
	int64_t waiting; /* campaign days that wait for their journals: not compared in them */
};

/** See above; release with shadow_snapshot_release(). */
enum err shadow_snapshot(struct shadow *s, struct shadow_snapshot *out) MUST_CHECK;
void shadow_snapshot_release(struct shadow_snapshot *snapshot);

/** Claim a fence of the shadow: the epoch to book under. */
enum err shadow_claim(struct shadow *s, int32_t partition, int64_t *epoch) MUST_CHECK;

/** Take back what was put off of @partition, and open its fence for reading it again. */
enum err shadow_deferred(struct shadow *s, int32_t partition, letter_record_fn *fn,
			 void *context) MUST_CHECK;

/** Nothing of @partition is to be read again any more. */
enum err shadow_settle(struct shadow *s, int32_t partition) MUST_CHECK;

/** Write the journals of the days that were closed, a month at a time. */
enum err shadow_journals(struct shadow *s, const struct shadow_snapshot *snapshot) MUST_CHECK;

/* One table's comparison. */
struct shadow_result {
	const char *table;
	int64_t live, rebuilt; /* rows */
	int64_t differing;     /* groups of rows that are not equal */
	const char *details;   /* the first of them, one a line */
};

/** Called with each table's result; it is borrowed for the call. */
typedef void shadow_result_fn(void *context, const struct shadow_result *result);

enum err shadow_compare(struct shadow *s, shadow_result_fn *fn, void *context) MUST_CHECK;

#endif
