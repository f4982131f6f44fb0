/*
 * What a tool may ask of a topic's partition: the offsets to read again, and whether all that was
 * booked is still there.
 *
 * Overview: both compare a fence with the log as it lies in Kafka, and tell on stderr what is
 * missing. Threads: main.
 */
#ifndef TOOLS_RANGES_H
#define TOOLS_RANGES_H

#include "store/fence.h"
#include "store/kafka_log.h"
#include "tools/replay.h"

/* Offsets from <= offset < to. */
struct range {
	int64_t from, to;
};

/** What @options mean for one topic of @row's partition; an empty range where there is nothing to
 * read again. */
enum tool_exit range_plan(struct kafka_log *log, const struct replay_options *options,
			  const struct fence_row *row, enum event_kind topic,
			  struct range *out) MUST_CHECK;

/** Is everything that was booked from one topic of @row's partition still in Kafka? */
enum tool_exit range_check_whole(struct kafka_log *log, const struct fence_row *row,
				 enum event_kind topic) MUST_CHECK;

#endif
