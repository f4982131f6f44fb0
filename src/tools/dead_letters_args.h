/*
 * The arguments of `dead-letters`: which command, which letters, what to do.
 *
 * Overview: all commands share the selection; letters_args_read() refuses what a command does not
 * have or what cannot be meant, naming the argument. Threads: main. Ownership: the result borrows
 * from argv and points into itself, so it stays where it was read.
 */
#ifndef TOOLS_DEAD_LETTERS_ARGS_H
#define TOOLS_DEAD_LETTERS_ARGS_H

#include "store/dead_letters.h"
#include "tools/tool.h"
#include "util/datetime.h"

enum letters_command { LETTERS_LIST, LETTERS_SHOW, LETTERS_REPLAY, LETTERS_DROP, LETTERS_COMMANDS };

struct letters_args {
	enum letters_command command;
	struct letters_filter filter;
	bool help, ndjson, summary, raw, dry_run, force, yes;
	const char *payload_path; /* NULL: the letters' own */

	char reasons[256];
	char from[RFC3339_TEXT_LEN + 1], before[RFC3339_TEXT_LEN + 1];
};

/** TOOL_OK, or TOOL_USAGE after the complaint. */
enum tool_exit letters_args_read(const struct config *cfg, int argc, char **argv,
				 struct letters_args *out) MUST_CHECK;

#endif
