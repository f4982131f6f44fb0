/*
 * A subcommand for operators: its name, its help, and the function that does it.
 *
 * Overview: each tool is one file of this folder with one `const struct tool`; main.c lists them. A
 * tool runs on the main thread with no actor started, beside servers that go on. What it found goes
 * to stdout, progress and complaints to stderr. Usage: run() parses its arguments with getopt_long
 * (argv[0] is the tool's name), and ends with one of the exit codes below. Threads: main.
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include "util/config.h"
#include "util/metrics.h"

enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1,     /* it could not be done; stderr says why */
	TOOL_USAGE = 2,	     /* wrong arguments */
	TOOL_DIFFERENCE = 3, /* done, and what was compared is not equal */
};

struct tool {
	const char *name;
	const char *summary; /* one line of the program's --help */
	const char *help;    /* the whole of the tool's --help */
	/* @metrics is a block of the tool's own, for the store's connections */
	enum tool_exit (*run)(const struct config *cfg, struct metrics *metrics, int argc,
			      char **argv);
};

/** Say on stderr what is wrong with the arguments and where help is; TOOL_USAGE. */
enum tool_exit tool_usage(const struct tool *tool, const char *fmt, ...) MUST_CHECK
	__attribute__((format(printf, 2, 3)));

/** Say on stderr why it could not be done; TOOL_FAILED. */
enum tool_exit tool_failed(const struct tool *tool, const char *fmt, ...) MUST_CHECK
	__attribute__((format(printf, 2, 3)));

/** A number without sign, from @min to @max. */
bool tool_number(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;

/** An RFC 3339 time, or a UTC day: its first instant, or that so many days later. Milliseconds. */
bool tool_time(const char *text, int days_after, int64_t *out_ms) MUST_CHECK;

/**
 * Progress of long work: prints "name: text" to stderr when @tool has said nothing for a second;
 * @state starts at 0 and belongs to one piece of work.
 */
void tool_progress(const struct tool *tool, uint64_t *state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The tools there are, each in the file of its name. */
extern const struct tool dead_letters_tool, reconcile_tool, recompute_tool, replay_tool;

#endif
