/*
 * What `replay` was asked for, and the two things it can do.
 *
 * Overview: replay.c reads the arguments; rewind.c sends the running servers back in the log;
 * rebuild.c reads the log itself into tables of its own and compares. Threads: main.
 */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include "domain/event.h"
#include "tools/tool.h"

#define SCHEMA_NAME_MAX 63

enum replay_from { FROM_NOWHERE, FROM_BEGINNING, FROM_OFFSET, FROM_TIME };

struct replay_options {
	enum replay_from from;
	int64_t offset;	     /* FROM_OFFSET */
	int64_t time_ms;     /* FROM_TIME: milliseconds since 1970 */
	int topic;	     /* an event_kind; -1: all */
	int32_t partition;   /* -1: all */
	bool no_wait;	     /* do not wait until it is done */
	bool dry_run;	     /* only say what would be done */
	bool from_available; /* where the log's beginning is gone, begin where it begins now */

	const char *schema; /* borrowed; NULL: in place */
	bool drop_first;    /* an older rebuild of that name may go */
	bool drop;	    /* drop it again if it is equal */
	bool keep;	    /* the default, said aloud */
};

/** Set the servers back to an earlier offset and watch them read on. */
enum tool_exit rewind_run(const struct config *cfg, struct metrics *metrics,
			  const struct replay_options *options) MUST_CHECK;

/** Rebuild the tables from the log in another schema, and compare. */
enum tool_exit rebuild_run(const struct config *cfg, struct metrics *metrics,
			   const struct replay_options *options) MUST_CHECK;

#endif
