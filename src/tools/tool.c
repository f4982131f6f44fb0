/*
 * What the subcommands share: complaints and progress.
 *
 * Runs on the main thread.
 */
#include "tools/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/datetime.h"

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

bool tool_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

bool tool_time(const char *text, int days_after, int64_t *out_ms)
{
	int32_t day;
	if (!date_parse(text, strlen(text), &day))
		return datetime_parse(text, strlen(text), out_ms);
	*out_ms = (day + days_after) * MS_PER_DAY;
	return true;
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
