/*
 * Reading a click without a tree: an object of its known keys, in any order and spacing, whose
 * values are strings of printable ASCII in which nothing is escaped.
 *
 * Overview: nearly all clicks that clients send have that form, and all that this program wrote to
 * Kafka but for some sources. What has another form is not a bad click: it is for json_parse() and
 * event_read(), which would read the very same from what this reads, and say what is wrong with the
 * rest. Threads: any. Pure functions.
 */
#ifndef DOMAIN_PLAIN_H
#define DOMAIN_PLAIN_H

#include "domain/event.h"

/** False: read it the long way, @out is unspecified. @now_ms: as event_read(). The source is
 * borrowed from @text. */
bool plain_read_click(const char *text, size_t len, int64_t now_ms, struct event *out) MUST_CHECK;

#endif
