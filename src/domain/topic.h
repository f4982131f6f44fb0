/*
 * Which Kafka topic holds which kind of event, by the settings.
 *
 * Threads: any. Pure functions.
 */
#ifndef DOMAIN_TOPIC_H
#define DOMAIN_TOPIC_H

#include "domain/event.h"
#include "util/config.h"

/** The topic's name; borrowed from @cfg. */
const char *topic_name(const struct config *cfg, enum event_kind kind);

/** Which kind's topic has this name? false: none. */
bool topic_parse(const struct config *cfg, const char *name, enum event_kind *out) MUST_CHECK;

#endif
