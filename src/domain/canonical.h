/*
 * Reading a click in the one form in which event_write leaves it, without a tree.
 *
 * Overview: nearly all messages were written by this program, so that their keys, their order and
 * their spacing are known. What has another form, or a character in a string that is escaped or not
 * ASCII, is not a bad click: it is for json_parse() and event_read(), which would read the very
 * same from what this reads. Threads: any. Pure functions.
 */
#ifndef DOMAIN_CANONICAL_H
#define DOMAIN_CANONICAL_H

#include "domain/event.h"

/** False: read it the long way, @out is unspecified. The source is borrowed from @text. */
bool canonical_read_click(const char *text, size_t len, struct event *out) MUST_CHECK;

#endif
