/*
 * Giving history other settings of attribution: preparing beside what is booked, switching by one
 * row, folding in.
 *
 * Overview:
 *      recompute_begin     the new settings, and from which time on; writers follow from here on
 *      recompute_build     the conversions piece by piece, each under its shard's fence
 *      recompute_switch    one transaction: from its commit on, what was prepared counts
 *      recompute_fold      into the tables that events are booked in; changes no number
 * Each step may be cut off and called again. A dry run does the first two in one transaction, on
 * tables of the connection, and leaves nothing. See store/pending.h and
 * schema/migrations/008_recompute.sql.
 * Usage: a connection with RECOMPUTE_SESSION and paths_session.sql that holds repair_try_lock().
 * Threads: the one that uses the connection. Ownership: texts are borrowed for the call.
 */
#ifndef STORE_RECOMPUTE_H
#define STORE_RECOMPUTE_H

#include "store/pending.h"

#define RECOMPUTE_SESSION SQL_writer_session
#define RECOMPUTE_TIMEOUT_MS (4 * 3600 * 1000) /* of a statement: a scan of all conversions */

/* The settings wanted; texts that PostgreSQL takes. Either a window or models. */
struct recompute_wish {
	const char *from;	 /* RFC 3339 */
	const char *description; /* of all this, for people */

	const char *campaign; /* the window's; the nil UUID: all */
	const char *type;     /* "": all */
	const char *window_s; /* seconds; NULL: no window */

	bool has_models; /* what is NULL stays as it is at that time */
	const char *first_ppm, *last_ppm, *half_life_s, *path_max, *narrow, *direct_sources;
};

/* How things stand. */
struct recompute_status {
	enum pending_state state;
	bool is_listed;
	int64_t total, left;   /* conversions to look at, once they are listed */
	char description[512]; /* cut to fit */
};

typedef void recompute_progress_fn(void *context, const char *what, int64_t done, int64_t total);

/* What changes on a campaign's day by a model. Money as minor units in decimal. */
struct recompute_change {
	const char *day, *campaign, *model;
	int64_t credit; /* parts per million of conversions */
	int64_t unattributed;
	const char *value_minor, *unattributed_value_minor;
};

typedef void recompute_change_fn(void *context, const struct recompute_change *change);

enum err recompute_status(struct pg *pg, struct recompute_status *out) MUST_CHECK;

/** Begin a dry run: all that follows happens in one transaction and on tables of the connection. */
enum err recompute_try(struct pg *pg) MUST_CHECK;

/** Prepare the settings. ERR_BUSY: a recompute is under way. */
enum err recompute_begin(struct pg *pg, const struct recompute_wish *wish, bool dry_run) MUST_CHECK;

/** Look at every conversion that they hold for. */
enum err recompute_build(struct pg *pg, bool dry_run, recompute_progress_fn *progress,
			 void *context) MUST_CHECK;

/** What was prepared, by day, campaign and model; and how many conversions have another path. */
enum err recompute_changes(struct pg *pg, recompute_change_fn *each, void *context,
			   int64_t *conversions) MUST_CHECK;

/** ERR_UNKNOWN: it may have happened; recompute_status() tells. */
enum err recompute_switch(struct pg *pg) MUST_CHECK;

enum err recompute_fold(struct pg *pg, recompute_progress_fn *progress, void *context) MUST_CHECK;

/** Forget what was prepared; only before the switch (ERR_BUSY after it). */
enum err recompute_abort(struct pg *pg) MUST_CHECK;

#endif
