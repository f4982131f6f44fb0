/*
 * Resolving dead letters: sending them again, or giving them up.
 *
 * Threads: main. Both take the lock that lets one of them work at a time.
 */
#ifndef TOOLS_DEAD_LETTERS_REPLAY_H
#define TOOLS_DEAD_LETTERS_REPLAY_H

#include "tools/dead_letters_args.h"

/** The command replay. TOOL_DIFFERENCE when selected letters stayed as they were. */
enum tool_exit letters_replay(const struct config *cfg, struct letters *l,
			      const struct letters_args *args) MUST_CHECK;

/** The command drop. */
enum tool_exit letters_drop(struct letters *l, const struct letters_args *args) MUST_CHECK;

#endif
