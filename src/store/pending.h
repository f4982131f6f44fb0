/*
 * What a recompute of history prepares: for every conversion that the new settings hold for, the
 * path that it will get, and what that adds to the sums.
 *
 * Overview: nothing is prepared most of the time. While a recompute is being built, whoever changes
 * a conversion keeps right what is prepared for it, in the same transaction (pending_keep, the last
 * thing but the fence); so does the recompute itself, piece by piece. No row of recompute_paths
 * means that the path stays. Once it was switched to, the prepared paths are the ones that count
 * until they are folded in; paths_make() then takes them for what is stored. The tables are
 * explained in schema/migrations/008_recompute.sql.
 * Threads: the one that owns the connection. Ownership: everything belongs to the struct.
 */
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "domain/cells.h"
#include "domain/rules.h"
#include "store/pg.h"

enum pending_state {
	PENDING_NONE,
	PENDING_BUILDING,
	PENDING_FOLDING, /* switched to, and not folded in completely */
};

struct pending {
	enum pending_state state;
	int64_t from_ms;    /* conversions from here on, while building */
	struct rules rules; /* the settings as they will be, while building */
	struct cells cells; /* what changes in recompute_buckets */
};

struct paths;

/** How things stand, and no more. */
enum err pending_look(struct pg *pg, enum pending_state *out) MUST_CHECK;

/** The state in row 0, column 0 of recompute_state.sql. */
enum pending_state pending_state_of(const char *word);

/** Read how things stand, with what is prepared; whenever the revision of the settings has changed.
 */
enum err pending_read(struct pending *p, struct pg *pg) MUST_CHECK;

/** Is a path being prepared for a conversion of this time? */
bool pending_is_for(const struct pending *p, int64_t time_ms);

/**
 * After everything else of a transaction that books @paths, or for a piece of a recompute, whose
 * targets are all passed: keep right what is prepared for the targets. Takes the staging tables for
 * itself.
 */
enum err pending_keep(struct paths *paths, struct pg *pg, const char *shard) MUST_CHECK;

void pending_release(struct pending *p);

#endif
