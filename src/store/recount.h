/*
 * What is derived beside a plain recount of the events, in one snapshot of PostgreSQL.
 *
 * Overview: recount_begin() opens the snapshot and counts the event tables into tables of the
 * connection; recount_compare() holds one stored table against them and keeps what differs there,
 * for its details and for store/repair.h; recount_end() closes the snapshot. Everything is
 * set-based and one pass over each table, so memory here does not grow with the events. Ingestion
 * goes on meanwhile. Usage: a connection with RECOUNT_SESSION, paths_session.sql and a long
 * deadline. Threads: the one that uses the connection. Ownership: a finding's texts are its own;
 * finding_release frees them.
 */
#ifndef STORE_RECOUNT_H
#define STORE_RECOUNT_H

#include "domain/event.h"
#include "store/pg.h"
#include "util/buf.h"
#include "util/datetime.h"

#define RECOUNT_SESSION SQL_recount_session
#define RECOUNT_TIMEOUT_MS (4 * 3600 * 1000) /* of a statement: a scan of all events */

/* Which UTC days, as PostgreSQL's dates. */
struct recount_range {
	const char *first; /* "-infinity": from the beginning */
	const char *last;  /* "infinity": to the end */
	bool is_whole;	   /* both */
};

/* What a comparison found. */
struct finding {
	int64_t compared;
	int64_t differ;
	int64_t pending;    /* on their way to what they should be: no difference */
	struct buf details; /* the first differences, a line each */
	struct buf notes;   /* what else a reader should know, a line each */
};

#define FINDING_INIT                                                                               \
	{                                                                                          \
		.details = BUF_INIT, .notes = BUF_INIT                                             \
	}

void finding_release(struct finding *f);

/** Open the snapshot; what an earlier one found is forgotten. */
enum err recount_begin(struct pg *pg) MUST_CHECK;

/** Count the clicks or the conversions of @range. @events: how many buckets that made. */
enum err recount_events(struct pg *pg, enum event_kind kind, const struct recount_range *range,
			int64_t *buckets) MUST_CHECK;

/** After both kinds: sum them to days. */
enum err recount_days(struct pg *pg) MUST_CHECK;

enum recount_table {
	RECOUNT_ATTRIBUTION, /* conversions' clicks by the rule */
	RECOUNT_CLICK_BUCKETS,
	RECOUNT_CONVERSION_BUCKETS,
	RECOUNT_DAY_SHARES,
	RECOUNT_JOURNALS,
	RECOUNT_QUARTERS,
	RECOUNT_STATISTICS,
	RECOUNT_TABLES,
};

/** The table's name. */
const char *recount_table_name(enum recount_table t);

/** Compare a table with the recount; at most @shown differences come with details. */
enum err recount_compare(struct pg *pg, enum recount_table t, const struct recount_range *range,
			 int shown, struct finding *out) MUST_CHECK;

/* A topic's part of a fence row, and the rows there are. */
struct fence_count {
	int32_t partition;
	enum event_kind topic;
	int64_t first_offset, next_offset, high_offset;
	int64_t stored, duplicate, dead_lettered, gaps, reread;
	int64_t events, letters;
};

/** Every topic of every partition number, with or without a fence row; @counts is the caller's. */
enum err recount_fences(struct pg *pg, const char *const topics[EVENT_KINDS],
			struct fence_count **counts, int *n) MUST_CHECK;

/** Close the snapshot; the differences stay. */
enum err recount_end(struct pg *pg) MUST_CHECK;

#endif
