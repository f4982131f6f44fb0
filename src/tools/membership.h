/*
 * Being a member of the servers' consumer group for a moment, which has the group assign all
 * partitions anew when it begins and when it ends.
 *
 * Overview: the member takes its share of the partitions and reads nothing of it. Usage:
 * membership_begin(), membership_await(), then membership_pump() at least every few seconds, and
 * membership_end(). Threads: main.
 */
#ifndef TOOLS_MEMBERSHIP_H
#define TOOLS_MEMBERSHIP_H

#include "tools/tool.h"

struct membership;

/** @cfg is borrowed. NULL when the process has no file descriptor left. */
struct membership *membership_begin(const struct config *cfg) MUST_CHECK;

/** Wait until the group has taken us in and everything is assigned; @tool tells of the wait. False:
 * it did not happen within a minute. */
bool membership_await(struct membership *m, const struct tool *tool) MUST_CHECK;

/** Show signs of life, for up to @wait_ms. False: the library has given up. */
bool membership_pump(struct membership *m, int wait_ms) MUST_CHECK;

/** Leave, and free. NULL is fine. */
void membership_end(struct membership *m);

#endif
