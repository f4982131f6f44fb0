/*
 * What the subcommands share: complaints and progress.
 *
 * Runs on the main thread.
 */
#include "tools/tool.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/clock.h"

static void say(const struct tool *tool, const char *fmt, va_list args)
{
	fprintf(stderr, "%s: ", tool->name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

enum tool_exit tool_usage(const struct tool *tool, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(tool, fmt, args);
	va_end(args);
	fprintf(stderr, "see: tyrattribution %s --help\n", tool->name);
	return TOOL_USAGE;
}

enum tool_exit tool_failed(const struct tool *tool, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(tool, fmt, args);
	va_end(args);
	return TOOL_FAILED;
}

void tool_progress(const struct tool *tool, uint64_t *state, const char *fmt, ...)
{
	const uint64_t now = clock_mono_ns();
	va_list args;
	if (*state != 0 && now - *state < NS_PER_S)
		return;
	if (*state != 0) {
		va_start(args, fmt);
		say(tool, fmt, args);
		va_end(args);
	}
	*state = now;
}
