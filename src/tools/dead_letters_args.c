/*
 * Reading the arguments of `dead-letters`.
 *
 * Runs on main. One table says which option belongs to which commands.
 */
#include "tools/dead_letters_args.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/decode.h"
#include "domain/topic.h"
#include "domain/event.h"

#define LIST (1u << LETTERS_LIST)
#define SHOW (1u << LETTERS_SHOW)
#define REPLAY (1u << LETTERS_REPLAY)
#define DROP (1u << LETTERS_DROP)
#define EVERY (LIST | SHOW | REPLAY | DROP)
#define OPTIONS_MAX 20
#define TOPIC_MAX 249

enum option_code {
	OPT_REASON = 1,
	OPT_TOPIC,
	OPT_PARTITION,
	OPT_OFFSET,
	OPT_FROM,
	OPT_TO,
	OPT_STATE,
	OPT_LIMIT,
	OPT_FORMAT,
	OPT_SUMMARY,
	OPT_RAW,
	OPT_PAYLOAD,
	OPT_FORCE,
	OPT_DRY_RUN,
	OPT_YES,
	OPT_HELP,
};

static const struct {
	const char *name;
	int has_argument;
	enum option_code code;
	unsigned commands;
} options[] = {
	{"reason", required_argument, OPT_REASON, EVERY},
	{"topic", required_argument, OPT_TOPIC, EVERY},
	{"partition", required_argument, OPT_PARTITION, EVERY},
	{"offset", required_argument, OPT_OFFSET, EVERY},
	{"from", required_argument, OPT_FROM, EVERY},
	{"to", required_argument, OPT_TO, EVERY},
	{"state", required_argument, OPT_STATE, EVERY},
	{"limit", required_argument, OPT_LIMIT, EVERY},
	{"format", required_argument, OPT_FORMAT, LIST},
	{"summary", no_argument, OPT_SUMMARY, LIST},
	{"raw", no_argument, OPT_RAW, SHOW},
	{"payload", required_argument, OPT_PAYLOAD, REPLAY},
	{"force", no_argument, OPT_FORCE, REPLAY},
	{"dry-run", no_argument, OPT_DRY_RUN, REPLAY | DROP},
	{"yes", no_argument, OPT_YES, DROP},
	{"help", no_argument, OPT_HELP, EVERY},
};

static const char *const command_names[] = {"list", "show", "replay", "drop"};

static const char *const reasons[] = {DEAD_MALFORMED, DEAD_MISPLACED, DEAD_CONFLICT,
				      DEAD_UNKNOWN_CAMPAIGN, "refused"};

static bool is_reason(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (strlen(reasons[i]) == len && strncmp(reasons[i], word, len) == 0)
			return true;
	}
	return false;
}

/* Words with commas between them, added to those of earlier options. */
static enum tool_exit read_reasons(struct letters_args *a, const char *text)
{
	for (const char *word = text;; word++) {
		const size_t len = strcspn(word, ",");
		const size_t used = strlen(a->reasons);
		if (!is_reason(word, len))
			return tool_usage(
				&dead_letters_tool,
				"--reason: '%.*s' is none; expected malformed, misplaced, "
				"conflict, unknown_campaign or refused",
				(int)len, word);
		if (used + len + 2 > sizeof(a->reasons))
			return tool_usage(&dead_letters_tool, "--reason: too many of them");
		snprintf(a->reasons + used, sizeof(a->reasons) - used, "%s%.*s",
			 used > 0 ? "," : "", (int)len, word);
		word += len;
		if (*word == '\0')
			break;
	}
	a->filter.reasons = a->reasons;
	return TOOL_OK;
}

static enum tool_exit read_topic(const struct config *cfg, struct letters_args *a, const char *text)
{
	enum event_kind kind;
	if (event_kind_parse(text, &kind))
		text = topic_name(cfg, kind);
	if (text[0] == '\0' || strlen(text) > TOPIC_MAX)
		return tool_usage(
			&dead_letters_tool,
			"--topic: expected click, conversion, adjustment or the name of a "
			"topic");
	a->filter.topic = text;
	return TOOL_OK;
}

static enum tool_exit read_number(const char *option, const char *text, int64_t min, int64_t max,
				  int64_t *out)
{
	if (!tool_number(text, min, max, out))
		return tool_usage(&dead_letters_tool,
				  "--%s: '%s' is not a number from %lld to %lld", option, text,
				  (long long)min, (long long)max);
	return TOOL_OK;
}

/* A time, or the first moment of a day, or that of the day after it. */
static enum tool_exit read_time(const char *option, const char *text, int days_after,
				char out[RFC3339_TEXT_LEN + 1])
{
	int64_t ms;
	if (!tool_time(text, days_after, &ms))
		return tool_usage(&dead_letters_tool,
				  "--%s: '%s' is neither YYYY-MM-DD nor a time such as "
				  "2026-01-31T13:00:00Z",
				  option, text);
	datetime_write(ms, out);
	out[RFC3339_TEXT_LEN] = '\0';
	return TOOL_OK;
}

static enum tool_exit read_state(struct letters_args *a, const char *text)
{
	const bool all = strcmp(text, "all") == 0;
	if (!all && strcmp(text, LETTER_OPEN) != 0 && strcmp(text, LETTER_REPLAYED) != 0 &&
	    strcmp(text, LETTER_DROPPED) != 0)
		return tool_usage(&dead_letters_tool,
				  "--state: '%s' is none; expected open, replayed, dropped or all",
				  text);
	a->filter.state = all ? NULL : text;
	return TOOL_OK;
}

static enum tool_exit read_format(struct letters_args *a, const char *text)
{
	a->ndjson = strcmp(text, "ndjson") == 0;
	if (!a->ndjson && strcmp(text, "table") != 0)
		return tool_usage(&dead_letters_tool,
				  "--format: '%s' is none; expected table or ndjson", text);
	return TOOL_OK;
}

static enum tool_exit read_option(const struct config *cfg, struct letters_args *a,
				  enum option_code code, const char *text)
{
	int64_t partition = -1;
	enum tool_exit code_of = TOOL_OK;
	switch (code) {
	case OPT_REASON:
		return read_reasons(a, text);
	case OPT_TOPIC:
		return read_topic(cfg, a, text);
	case OPT_PARTITION:
		code_of = read_number("partition", text, 0, INT32_MAX, &partition);
		a->filter.partition = (int32_t)partition;
		return code_of;
	case OPT_OFFSET:
		return read_number("offset", text, 0, INT64_MAX, &a->filter.offset);
	case OPT_FROM:
		a->filter.from = a->from;
		return read_time("from", text, 0, a->from);
	case OPT_TO:
		a->filter.before = a->before;
		return read_time("to", text, 1, a->before);
	case OPT_STATE:
		return read_state(a, text);
	case OPT_LIMIT:
		return read_number("limit", text, 1, INT64_MAX, &a->filter.limit);
	case OPT_FORMAT:
		return read_format(a, text);
	case OPT_SUMMARY:
		a->summary = true;
		break;
	case OPT_RAW:
		a->raw = true;
		break;
	case OPT_PAYLOAD:
		a->payload_path = text;
		break;
	case OPT_FORCE:
		a->force = true;
		break;
	case OPT_DRY_RUN:
		a->dry_run = true;
		break;
	case OPT_YES:
		a->yes = true;
		break;
	case OPT_HELP:
		a->help = true;
		break;
	}
	return TOOL_OK;
}

/* What is right by itself, but not together. */
static enum tool_exit check_together(const struct letters_args *a)
{
	const struct letters_filter *f = &a->filter;
	const bool resolves = a->command == LETTERS_REPLAY || a->command == LETTERS_DROP;
	if (a->help)
		return TOOL_OK;
	/* both are written alike, so that their order is that of the texts */
	if (f->from != NULL && f->before != NULL && strcmp(f->from, f->before) >= 0)
		return tool_usage(&dead_letters_tool, "--from: not before --to");
	if (resolves && (f->state == NULL || strcmp(f->state, LETTER_DROPPED) == 0))
		return tool_usage(&dead_letters_tool,
				  "--state: %s takes open or replayed; what was dropped has no "
				  "payload any more",
				  command_names[a->command]);
	if (a->summary && f->limit >= 0)
		return tool_usage(&dead_letters_tool, "--limit: --summary counts all letters");
	if (a->command == LETTERS_DROP && !a->yes && !a->dry_run)
		return tool_usage(&dead_letters_tool,
				  "drop empties the payloads for good: --yes does it, --dry-run "
				  "says which");
	return TOOL_OK;
}

static bool find_command(const char *name, enum letters_command *out)
{
	for (int c = 0; c < LETTERS_COMMANDS; c++) {
		if (strcmp(command_names[c], name) == 0) {
			*out = (enum letters_command)c;
			return true;
		}
	}
	return false;
}

static enum tool_exit complain(const struct letters_args *a, int answer, const char *argument)
{
	if (answer == ':')
		return tool_usage(&dead_letters_tool, "%s: its argument is missing", argument);
	return tool_usage(&dead_letters_tool, "%s: not an option of %s", argument,
			  command_names[a->command]);
}

enum tool_exit letters_args_read(const struct config *cfg, int argc, char **argv,
				 struct letters_args *out)
{
	struct option table[OPTIONS_MAX] = {{0}};
	int n = 0, answer;
	*out = (struct letters_args){
		.filter = {.partition = -1, .offset = -1, .limit = -1, .state = LETTER_OPEN}};
	if (argc < 2 || !find_command(argv[1], &out->command))
		return tool_usage(&dead_letters_tool, "%s%s%s: expected list, show, replay or drop",
				  argc < 2 ? "a command is missing" : "unknown command '",
				  argc < 2 ? "" : argv[1], argc < 2 ? "" : "'");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if ((options[i].commands & (1u << out->command)) != 0)
			table[n++] = (struct option){options[i].name, options[i].has_argument, NULL,
						     (int)options[i].code};
	}
	argc--;
	argv++;
	opterr = 0;
	optind = 1;
	while ((answer = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (answer == '?' || answer == ':')
			return complain(out, answer, argv[optind - 1]);
		const enum tool_exit code = read_option(cfg, out, (enum option_code)answer, optarg);
		if (code != TOOL_OK)
			return code;
	}
	if (optind < argc)
		return tool_usage(&dead_letters_tool, "%s: unexpected; options begin with --",
				  argv[optind]);
	return check_together(out);
}
