/*
 * Fences against the log.
 *
 * Runs on the main thread.
 */
#include "tools/ranges.h"

#include <inttypes.h>

/* Ask for the log's bounds; a log that ends before what was booked is another one. */
static enum tool_exit find_bounds(struct kafka_log *log, const struct fence_row *row,
				  enum event_kind topic, int64_t *low, int64_t *end)
{
	if (!kafka_log_bounds(log, topic, row->partition, low, end))
		return tool_failed(&replay_tool, "Kafka cannot be asked: %s", kafka_log_error(log));
	if (*end >= row->fence.high_offset[topic])
		return TOOL_OK;
	return tool_failed(&replay_tool,
			   "%s partition %d ends at offset %" PRId64
			   ", but was booked up to %" PRId64 ": it is another log",
			   kafka_log_topic(log, topic), row->partition, *end,
			   row->fence.high_offset[topic]);
}

/* The first offset written at the time asked for, or later. */
static enum tool_exit find_time(struct kafka_log *log, const struct replay_options *options,
				const struct fence_row *row, enum event_kind topic, int64_t end,
				int64_t *start)
{
	if (!kafka_log_at_time(log, topic, row->partition, options->time_ms, start))
		return tool_failed(&replay_tool, "Kafka cannot be asked: %s", kafka_log_error(log));
	if (*start < 0)
		*start = end;
	return TOOL_OK;
}

enum tool_exit range_plan(struct kafka_log *log, const struct replay_options *options,
			  const struct fence_row *row, enum event_kind topic, struct range *out)
{
	const struct fence *f = &row->fence;
	int64_t low = 0, end = 0, start = f->first_offset[topic];
	*out = (struct range){f->high_offset[topic], f->high_offset[topic]};
	if (f->next_offset[topic] < 0)
		return TOOL_OK; /* never read */
	enum tool_exit code = find_bounds(log, row, topic, &low, &end);
	if (code == TOOL_OK && options->from == FROM_TIME)
		code = find_time(log, options, row, topic, end, &start);
	if (code != TOOL_OK)
		return code;
	if (options->from == FROM_OFFSET && options->offset > start)
		start = options->offset;
	/* whether what is gone was written at the time asked for cannot be told any more */
	const bool gone = options->from == FROM_TIME ? start == low && low > f->first_offset[topic]
						     : start < low;
	if (gone && !options->from_available)
		return tool_failed(&replay_tool,
				   "%s partition %d: Kafka has deleted messages before offset "
				   "%" PRId64 ", which were asked for; offsets %" PRId64
				   " to %" PRId64 " are left (--from-available reads those)",
				   kafka_log_topic(log, topic), row->partition, low, low, end);
	out->from = start > low ? start : low;
	if (out->from > f->next_offset[topic])
		out->from = f->next_offset[topic];
	return TOOL_OK;
}

enum tool_exit range_check_whole(struct kafka_log *log, const struct fence_row *row,
				 enum event_kind topic)
{
	const int64_t first = row->fence.first_offset[topic];
	int64_t low = 0, end = 0;
	if (row->fence.high_offset[topic] < 0)
		return TOOL_OK; /* never read */
	const enum tool_exit code = find_bounds(log, row, topic, &low, &end);
	if (code != TOOL_OK || low <= first)
		return code;
	return tool_failed(&replay_tool,
			   "%s partition %d was booked from offset %" PRId64
			   " on, but Kafka has deleted what is before %" PRId64 "; offsets %" PRId64
			   " to %" PRId64 " are left",
			   kafka_log_topic(log, topic), row->partition, first, low, low, end);
}
