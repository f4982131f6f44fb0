/*
 * Reading the arguments of recompute.
 *
 * Runs on main.
 */
#include "tools/recompute_args.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/event.h"
#include "domain/path.h"

#define NIL_UUID "00000000-0000-0000-0000-000000000000"
#define PPM_OF_PERCENT 10000
#define LONGEST_S (LOOKBACK_MAX_MS / 1000)
#define SHORTEST_S (LOOKBACK_MIN_MS / 1000)

const char recompute_help[] =
	"tyrattribution recompute: settings of attribution that hold from a time in the past on.\n"
	"\n"
	"Conversions dated from then on are attributed anew beside the numbers that count, while\n"
	"events go on being booked; then one row switches, for all models, days and processes.\n"
	"The settings hold until the next dated ones of the same kind, if there are any.\n"
	"\n"
	"Which settings, from when on:\n"
	"  --from T               a time such as 2026-01-31T13:00:00Z, or a UTC day; required\n"
	"  --window L             the lookback window: 90m, 36h or 7d; 1 minute to 365 days\n"
	"    --campaign ID        of this campaign's clicks only\n"
	"    --type T             of this type of conversion only\n"
	"or, of the models; what is left out stays as it is at that time:\n"
	"  --first-percent N, --last-percent N\n"
	"                         position based: of the first and the last touch\n"
	"  --half-life L          time decay: as a window\n"
	"  --path-max N           touches of a path, 1 to 1000\n"
	"  --narrow true|false    a conversion's campaign and source narrow every model\n"
	"  --direct-sources A,B   what last non-direct passes over\n"
	"\n"
	"What to do:\n"
	"  --dry-run              only say what would change, by day, campaign and model\n"
	"  --resume               go on with one that was cut off\n"
	"  --abort                give up one that was not switched to yet\n"
	"  --status               say how far one is\n"
	"  --format F             of the changes: table (default) or ndjson\n"
	"\n"
	"Exit status: 0 done, 1 it could not be done, 2 wrong arguments.\n"
	"stdout: what changes; stderr: progress.\n";

static enum tool_exit refuse(const char *option, const char *text, const char *expected)
{
	return tool_usage(&recompute_tool, "--%s %s: expected %s", option, text, expected);
}

/* A number and a unit, to seconds as text. */
static bool read_length(const char *text, char out[16])
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
	char digits[16];
	const size_t len = strlen(text);
	int64_t n;
	if (len < 2 || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (text[len - 1] != units[i].unit)
			continue;
		if (!tool_number(digits, SHORTEST_S / units[i].seconds,
				 LONGEST_S / units[i].seconds, &n) ||
		    n == 0)
			return false;
		snprintf(out, 16, "%" PRId64, n * units[i].seconds);
		return true;
	}
	return false;
}

static bool read_from(struct recompute_args *a, const char *text)
{
	int64_t ms;
	if (!tool_time(text, 0, &ms))
		return false;
	datetime_write(ms, a->from);
	a->from[RFC3339_TEXT_LEN] = '\0';
	a->wish.from = a->from;
	return true;
}

static bool read_campaign(struct recompute_args *a, const char *text)
{
	struct uuid id;
	if (!uuid_parse(text, strlen(text), &id))
		return false;
	uuid_format(&id, a->campaign);
	a->wish.campaign = a->campaign;
	return true;
}

static bool read_type(struct recompute_args *a, const char *text)
{
	const size_t count = utf8_count(text, strlen(text));
	a->wish.type = text;
	return count >= 1 && count <= EVENT_TEXT_MAX;
}

static bool read_percent(const char *text, char out[16], const char **wish)
{
	int64_t n;
	if (!tool_number(text, 0, 100, &n))
		return false;
	snprintf(out, 16, "%" PRId64, n * PPM_OF_PERCENT);
	*wish = out;
	return true;
}

static bool read_path_max(struct recompute_args *a, const char *text)
{
	int64_t n;
	a->wish.path_max = text;
	return tool_number(text, 1, PATH_MAX_LIMIT, &n);
}

static bool read_word(const char *text, const char *one, const char *other)
{
	return strcmp(text, one) == 0 || strcmp(text, other) == 0;
}

/* The settings themselves. */
static enum tool_exit read_setting(struct recompute_args *a, int letter, const char *text)
{
	switch (letter) {
	case 'f':
		return read_from(a, text) ? TOOL_OK
					  : refuse("from", text, "YYYY-MM-DD or an RFC 3339 time");
	case 'c':
		return read_campaign(a, text) ? TOOL_OK : refuse("campaign", text, "a UUID");
	case 't':
		return read_type(a, text) ? TOOL_OK : refuse("type", text, "1 to 255 characters");
	case 'w':
		a->wish.window_s = a->window_s;
		return read_length(text, a->window_s)
			       ? TOOL_OK
			       : refuse("window", text, "90m, 36h or 7d: 1 minute to 365 days");
	case '1':
		return read_percent(text, a->first_ppm, &a->wish.first_ppm)
			       ? TOOL_OK
			       : refuse("first-percent", text, "0 to 100");
	case '2':
		return read_percent(text, a->last_ppm, &a->wish.last_ppm)
			       ? TOOL_OK
			       : refuse("last-percent", text, "0 to 100");
	case 'h':
		a->wish.half_life_s = a->half_life_s;
		return read_length(text, a->half_life_s)
			       ? TOOL_OK
			       : refuse("half-life", text, "90m, 36h or 7d: 1 minute to 365 days");
	case 'p':
		return read_path_max(a, text) ? TOOL_OK : refuse("path-max", text, "1 to 1000");
	case 'n':
		a->wish.narrow = text;
		return read_word(text, "true", "false") ? TOOL_OK
							: refuse("narrow", text, "true or false");
	default:
		a->wish.direct_sources = text;
		return TOOL_OK;
	}
}

static enum tool_exit read_option(struct recompute_args *a, int letter, const char *text)
{
	switch (letter) {
	case 'D':
		a->what = RECOMPUTE_TRY;
		return TOOL_OK;
	case 'R':
		a->what = RECOMPUTE_RESUME;
		return TOOL_OK;
	case 'A':
		a->what = RECOMPUTE_ABORT;
		return TOOL_OK;
	case 'S':
		a->what = RECOMPUTE_STATUS;
		return TOOL_OK;
	case 'F':
		a->ndjson = strcmp(text, "ndjson") == 0;
		return read_word(text, "table", "ndjson")
			       ? TOOL_OK
			       : refuse("format", text, "table or ndjson");
	default:
		return read_setting(a, letter, text);
	}
}

/* Do they go together? */
static enum tool_exit check(struct recompute_args *a)
{
	struct recompute_wish *w = &a->wish;
	const bool is_window = w->window_s != NULL;
	w->has_models = w->first_ppm != NULL || w->last_ppm != NULL || w->half_life_s != NULL ||
			w->path_max != NULL || w->narrow != NULL || w->direct_sources != NULL;
	if (a->what != RECOMPUTE_BEGIN && a->what != RECOMPUTE_TRY)
		return w->from == NULL && !is_window && !w->has_models
			       ? TOOL_OK
			       : tool_usage(&recompute_tool,
					    "--resume, --abort and --status stand alone");
	if (w->from == NULL)
		return tool_usage(&recompute_tool, "from when on? --from T");
	if (is_window == w->has_models)
		return tool_usage(&recompute_tool,
				  "which settings? Either --window, or some of the models");
	if (w->first_ppm != NULL && w->last_ppm != NULL &&
	    strtol(w->first_ppm, NULL, 10) + strtol(w->last_ppm, NULL, 10) > 100 * PPM_OF_PERCENT)
		return tool_usage(&recompute_tool,
				  "--first-percent and --last-percent are together more than 100");
	if (!is_window && (w->campaign != NULL || w->type != NULL))
		return tool_usage(&recompute_tool, "--campaign and --type go with --window");
	w->campaign = w->campaign != NULL ? w->campaign : NIL_UUID;
	w->type = w->type != NULL ? w->type : "";
	return TOOL_OK;
}

/* The arguments once more, for --status. */
static void describe(struct recompute_args *a, int argc, char **argv)
{
	size_t len = 0;
	for (int i = 1; i < argc && len < sizeof(a->description); i++)
		len += (size_t)snprintf(a->description + len, sizeof(a->description) - len, "%s%s",
					i > 1 ? " " : "", argv[i]);
	a->wish.description = a->description;
}

enum tool_exit recompute_args_read(struct recompute_args *out, int argc, char **argv)
{
	static const struct option words[] = {{"from", required_argument, NULL, 'f'},
					      {"campaign", required_argument, NULL, 'c'},
					      {"type", required_argument, NULL, 't'},
					      {"window", required_argument, NULL, 'w'},
					      {"first-percent", required_argument, NULL, '1'},
					      {"last-percent", required_argument, NULL, '2'},
					      {"half-life", required_argument, NULL, 'h'},
					      {"path-max", required_argument, NULL, 'p'},
					      {"narrow", required_argument, NULL, 'n'},
					      {"direct-sources", required_argument, NULL, 'd'},
					      {"dry-run", no_argument, NULL, 'D'},
					      {"resume", no_argument, NULL, 'R'},
					      {"abort", no_argument, NULL, 'A'},
					      {"status", no_argument, NULL, 'S'},
					      {"format", required_argument, NULL, 'F'},
					      {NULL, 0, NULL, 0}};
	*out = (struct recompute_args){.what = RECOMPUTE_BEGIN};
	describe(out, argc, argv);
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":", words, NULL)) != -1;) {
		if (c == ':')
			return tool_usage(&recompute_tool, "%s: a value is missing",
					  argv[optind - 1]);
		if (c == '?')
			return tool_usage(&recompute_tool, "what is %s?", argv[optind - 1]);
		const enum tool_exit code = read_option(out, c, optarg);
		if (code != TOOL_OK)
			return code;
	}
	if (optind < argc)
		return tool_usage(&recompute_tool, "what is %s?", argv[optind]);
	return check(out);
}
