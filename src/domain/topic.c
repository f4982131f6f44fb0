/*
 * Names of topics.
 *
 * Pure functions; any thread.
 */
#include "domain/topic.h"

#include <string.h>

const char *topic_name(const struct config *cfg, enum event_kind kind)
{
	const char *const topics[EVENT_KINDS] = {
		[EVENT_CLICK] = cfg->kafka_click_topic,
		[EVENT_CONVERSION] = cfg->kafka_conversion_topic,
		[EVENT_ADJUSTMENT] = cfg->kafka_adjustment_topic,
	};
	ASSERT(kind < EVENT_KINDS);
	return topics[kind];
}

bool topic_parse(const struct config *cfg, const char *name, enum event_kind *out)
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		*out = (enum event_kind)k;
		if (strcmp(name, topic_name(cfg, *out)) == 0)
			return true;
	}
	return false;
}
