/*
 * Making the touch paths of conversions inside a booking transaction.
 *
 * Overview: a statement stages the conversions whose paths are to be made ("targets"), new ones and
 * stored ones that may change; their users' clicks are read, the paths and credits made
 * (domain/path.h), and stored; what changes in the conversion buckets is collected.
 *
 *      paths_stage     which conversions
 *      paths_make      clicks and stored paths -> new paths
 *      paths_store     into conversion_events
 *      paths_collect   what that changes in the sums, for store/changes.h
 *
 * Usage: in this order, once a transaction, on a session of paths_session.sql.
 * Threads: the one that owns the connection. Ownership: everything belongs to the struct.
 */
#ifndef STORE_PATHS_H
#define STORE_PATHS_H

#include <libpq-fe.h>

#include "domain/cells.h"
#include "domain/path.h"
#include "domain/rules.h"
#include "store/pending.h"
#include "store/row_types.h"

struct target {
	struct uuid conversion_id;
	struct path_wish wish;
	int64_t value_minor; /* as it was given */
	struct touch named;  /* where wish.named points */
	bool names_click;
	bool is_new;	/* not stored yet */
	bool is_torn;	/* the last click stored beside its path is not the path's */
	bool is_passed; /* stored as it is already, by another shard, or not to be changed */
	struct path old, now;
	struct worth old_worth, worth;
	struct path pending, pending_old; /* see store/pending.h */
	bool has_pending_old;
};

struct paths {
	struct rules rules;
	int64_t revision; /* of the rules */
	struct target *targets;
	uint32_t n, cap;
	struct arena arena; /* texts and paths of the targets */
	struct cells cells;
	struct row_types types;
	struct pending pending;
};

/** The longest window of all, in milliseconds, those that are prepared included. */
int64_t paths_longest_ms(const struct paths *p);

/** Bring the rules up to date, before a transaction or, where what it prepares matters, in it, when
 * it holds its shard. */
enum err paths_follow_rules(struct paths *p, struct pg *pg) MUST_CHECK;

/** The same where attribution_revision.sql said @revision; p->types are the caller's care. */
enum err paths_follow_rules_to(struct paths *p, struct pg *pg, int64_t revision) MUST_CHECK;

/**
 * Stage targets by a statement with the results of stage_targets.sql; @params are its parameters.
 * What was made before is forgotten.
 */
enum err paths_stage(struct paths *p, struct pg *pg, enum sql sql, int n,
		     const char *const *params) MUST_CHECK;

/** The same with the result of such a statement, which stays the caller's; NULL: there are none. */
void paths_take(struct paths *p, const PGresult *staged);

/** Make the targets' paths; stored ones whose path is right already are passed from then on. */
enum err paths_make(struct paths *p, struct pg *pg) MUST_CHECK;

/** Copy the paths that are not passed to staged_paths; answers how many of them are new, how many
 * stored ones' changes. paths_store does it by itself. */
enum err paths_copy(const struct paths *p, struct pg *pg, uint32_t *new,
		    uint32_t *changed) MUST_CHECK;

/** Store the paths, new conversions under @shard. */
enum err paths_store(struct paths *p, struct pg *pg, const char *shard, uint32_t *stored,
		     uint32_t *changed) MUST_CHECK;

/** Collect what the targets change in the buckets, in the cells. */
void paths_collect(struct paths *p);

void paths_release(struct paths *p);

#endif
