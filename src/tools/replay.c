/*
 * The arguments of `replay`.
 *
 * Runs on the main thread.
 */
#include "tools/replay.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "domain/topic.h"
#include "util/datetime.h"

static const char help[] =
	"usage: tyrattribution replay --from-beginning | --from-time T | --from-offset N\n"
	"                             [--topic T] [--partition N] [--from-available]\n"
	"                             [--no-wait] [--dry-run]\n"
	"       tyrattribution replay --into SCHEMA [--drop-first] [--drop | --keep]\n"
	"\n"
	"The first form has the running servers read messages of the past again. What is stored\n"
	"is recognised and changes nothing; what is missing is stored. It may run at any time;\n"
	"the servers pause for a second or two, then go on from the earlier offsets. It waits\n"
	"until they are back where they were; Ctrl-C ends only the waiting. With no server\n"
	"running, the next one to start begins at the earlier offsets.\n"
	"\n"
	"  --from-beginning   every message there is\n"
	"  --from-time T      messages written to Kafka at T or later: RFC 3339, or YYYY-MM-DD\n"
	"                     for the beginning of that day in UTC\n"
	"  --from-offset N    messages from this offset on, in each partition chosen\n"
	"  --topic T          only this topic: click, conversion, adjustment, or the topic's name\n"
	"  --partition N      only this partition number\n"
	"  --from-available   where Kafka has deleted a part of what was asked for, begin with\n"
	"                     what is left; else that is an error\n"
	"  --no-wait          end as soon as the offsets are set back\n"
	"  --dry-run          say what would be read again, and change nothing\n"
	"\n"
	"The second form reads the whole log into new tables in SCHEMA, a schema of the same\n"
	"database, with the program's own booking, up to where the live tables stood when it\n"
	"began, and says for each table whether it equals the live one of that moment. Live\n"
	"tables, Kafka and Redis are not changed, and servers may go on meanwhile.\n"
	"\n"
	"  --drop-first       an earlier rebuild in SCHEMA may be dropped\n"
	"  --drop             drop SCHEMA in the end if everything is equal\n"
	"  --keep             keep it (the default)\n"
	"\n"
	"status: 0 done (and equal), 1 it could not be done, 2 wrong arguments, 3 not equal\n";

static const struct option words[] = {
	{"from-beginning", no_argument, NULL, 'b'},
	{"from-time", required_argument, NULL, 't'},
	{"from-offset", required_argument, NULL, 'o'},
	{"topic", required_argument, NULL, 'T'},
	{"partition", required_argument, NULL, 'p'},
	{"from-available", no_argument, NULL, 'a'},
	{"no-wait", no_argument, NULL, 'n'},
	{"dry-run", no_argument, NULL, 'd'},
	{"into", required_argument, NULL, 'i'},
	{"drop-first", no_argument, NULL, 'f'},
	{"drop", no_argument, NULL, 'D'},
	{"keep", no_argument, NULL, 'k'},
	{NULL, 0, NULL, 0},
};

static bool parse_topic(const struct config *cfg, const char *text, int *out)
{
	enum event_kind kind;
	if (!topic_parse(cfg, text, &kind) && !event_kind_parse(text, &kind))
		return false;
	*out = (int)kind;
	return true;
}

static enum tool_exit take_from(struct replay_options *o, enum replay_from from)
{
	if (o->from != FROM_NOWHERE)
		return tool_usage(&replay_tool, "there can be only one --from-...");
	o->from = from;
	return TOOL_OK;
}

/* A name that needs no quotes, and none of those that PostgreSQL or other programs live in. */
static bool is_good_schema(const char *name)
{
	const size_t len = strlen(name);
	return len > 0 && len <= SCHEMA_NAME_MAX &&
	       (*name == '_' || (*name >= 'a' && *name <= 'z')) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len &&
	       strncmp(name, "pg_", 3) != 0 && strcmp(name, "public") != 0 &&
	       strcmp(name, "information_schema") != 0;
}

/* An option with a value. */
static enum tool_exit take_value(const struct config *cfg, struct replay_options *o, int letter)
{
	int64_t number = 0;
	switch (letter) {
	case 't':
		if (!tool_time(optarg, 0, &o->time_ms))
			return tool_usage(&replay_tool,
					  "--from-time %s: expected an RFC 3339 time with an "
					  "offset, or YYYY-MM-DD",
					  optarg);
		return take_from(o, FROM_TIME);
	case 'o':
		if (!tool_number(optarg, 0, INT64_MAX, &o->offset))
			return tool_usage(&replay_tool,
					  "--from-offset %s: expected a number from 0", optarg);
		return take_from(o, FROM_OFFSET);
	case 'T':
		if (!parse_topic(cfg, optarg, &o->topic))
			return tool_usage(&replay_tool,
					  "--topic %s: expected click, conversion, adjustment, "
					  "%s, %s or %s",
					  optarg, cfg->kafka_click_topic,
					  cfg->kafka_conversion_topic, cfg->kafka_adjustment_topic);
		return TOOL_OK;
	case 'p':
		if (!tool_number(optarg, 0, INT32_MAX, &number))
			return tool_usage(&replay_tool, "--partition %s: expected a number from 0",
					  optarg);
		o->partition = (int32_t)number;
		return TOOL_OK;
	default:
		if (!is_good_schema(optarg))
			return tool_usage(&replay_tool,
					  "--into %s: expected the name of a schema that is "
					  "nobody's: a-z, 0-9 and _, at most %d characters",
					  optarg, SCHEMA_NAME_MAX);
		o->schema = optarg;
		return TOOL_OK;
	}
}

static enum tool_exit take_option(const struct config *cfg, struct replay_options *o, int letter)
{
	switch (letter) {
	case 'b':
		return take_from(o, FROM_BEGINNING);
	case 'a':
		o->from_available = true;
		return TOOL_OK;
	case 'n':
		o->no_wait = true;
		return TOOL_OK;
	case 'd':
		o->dry_run = true;
		return TOOL_OK;
	case 'f':
		o->drop_first = true;
		return TOOL_OK;
	case 'D':
		o->drop = true;
		return TOOL_OK;
	case 'k':
		o->keep = true;
		return TOOL_OK;
	default:
		return take_value(cfg, o, letter);
	}
}

/* Do the options go together? */
static enum tool_exit check_options(const struct replay_options *o)
{
	const bool in_place = o->from != FROM_NOWHERE || o->topic >= 0 || o->partition >= 0 ||
			      o->no_wait || o->dry_run || o->from_available;
	if (o->schema != NULL && in_place)
		return tool_usage(&replay_tool, "--into always reads the whole log: it goes with "
						"--drop-first, --drop and --keep only");
	if (o->schema == NULL && (o->drop_first || o->drop || o->keep))
		return tool_usage(&replay_tool,
				  "--drop-first, --drop and --keep go with --into SCHEMA only");
	if (o->drop && o->keep)
		return tool_usage(&replay_tool, "either --drop or --keep");
	if (o->schema == NULL && o->from == FROM_NOWHERE)
		return tool_usage(&replay_tool,
				  "from where? --from-beginning, --from-time T, --from-offset N, "
				  "or --into SCHEMA");
	return TOOL_OK;
}

static enum tool_exit run(const struct config *cfg, struct metrics *metrics, int argc, char **argv)
{
	struct replay_options o = {.topic = -1, .partition = -1};
	enum tool_exit code;
	int letter;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":", words, NULL)) != -1) {
		if (letter == ':')
			return tool_usage(&replay_tool, "%s: a value is missing", argv[optind - 1]);
		if (letter == '?')
			return tool_usage(&replay_tool, "%s: there is no such option",
					  argv[optind - 1]);
		code = take_option(cfg, &o, letter);
		if (code != TOOL_OK)
			return code;
	}
	if (optind < argc)
		return tool_usage(&replay_tool, "%s: not expected here", argv[optind]);
	code = check_options(&o);
	if (code != TOOL_OK)
		return code;
	return o.schema != NULL ? rebuild_run(cfg, metrics, &o) : rewind_run(cfg, metrics, &o);
}

const struct tool replay_tool = {
	.name = "replay",
	.summary = "read the past of the log again, or rebuild and compare",
	.help = help,
	.run = run,
};
