/*
 * `tyrattribution dead-letters`: looking after what could not be processed.
 *
 * Runs on main, beside servers that go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/dead_letters_args.h"
#include "tools/dead_letters_print.h"
#include "tools/dead_letters_replay.h"
#include "util/log.h"

#define SELECTION_HELP                                                                             \
	"Selection (all of it must hold; without any: every open letter):\n"                       \
	"  --reason R        malformed, misplaced, conflict, unknown_campaign or refused; "        \
	"several\n"                                                                                \
	"                    with commas, or the option again\n"                                   \
	"  --topic T         click, conversion, adjustment, or the name of a topic\n"              \
	"  --partition N     the partition it was found in\n"                                      \
	"  --offset N        the offset it was found at\n"                                         \
	"  --from T          kept at T or later: YYYY-MM-DD (UTC) or 2026-01-31T13:00:00Z\n"       \
	"  --to T            kept before T; a day is included\n"                                   \
	"  --state S         open (default), replayed, dropped or all\n"                           \
	"  --limit N         the oldest N of them\n"

static const char list_help[] =
	"tyrattribution dead-letters list: dead letters in a table, newest last, then their "
	"number.\n"
	"\n" SELECTION_HELP "\n"
	"  --format F        table (default; details are cut to the terminal's width) or ndjson\n"
	"                    (one JSON object a line; the last line, with the sums, on stderr)\n"
	"  --summary         only the sums by reason\n";

static const char show_help[] =
	"tyrattribution dead-letters show: dead letters whole. What is UTF-8 is shown as text, "
	"its\n"
	"control characters but line feeds escaped, everything else as a hex dump.\n"
	"\n" SELECTION_HELP "\n"
	"  --raw             the payload of one letter as it is, and nothing else, on stdout\n";

static const char replay_help[] =
	"tyrattribution dead-letters replay: puts letters through the normal path again. Each is "
	"sent\n"
	"to its topic, to the partition of its user and with the user id as key, and is marked\n"
	"replayed when Kafka has acknowledged it. If replay dies in between, the letters stay "
	"open\n"
	"and are sent again the next time; events count once all the same. What fails again is a "
	"new\n"
	"dead letter. Letters that are still malformed, and conflicts, are not sent: each is "
	"named,\n"
	"stays as it was, and the exit status is 3.\n"
	"\n" SELECTION_HELP "\n"
	"  --payload FILE    send this payload (- is stdin) instead of that of the one selected\n"
	"                    letter; refused, with the field's error, if it is no good event\n"
	"  --force           send conflicts unchanged, too\n"
	"  --dry-run         only say what would be sent where\n"
	"\n"
	"--state takes open or replayed: the latter sends again what was sent before.\n";

static const char drop_help[] =
	"tyrattribution dead-letters drop: gives letters up. Their keys and payloads are emptied "
	"for\n"
	"good; the rows stay, since every message of the log is counted.\n"
	"\n" SELECTION_HELP "\n"
	"  --yes             do it\n"
	"  --dry-run         only say what would be dropped\n"
	"\n"
	"--state takes open or replayed: the latter frees the room of what was sent before.\n";

static const char *const helps[LETTERS_COMMANDS] = {
	[LETTERS_LIST] = list_help,
	[LETTERS_SHOW] = show_help,
	[LETTERS_REPLAY] = replay_help,
	[LETTERS_DROP] = drop_help,
};

static enum tool_exit run_command(const struct config *cfg, struct letters *l,
				  const struct letters_args *args)
{
	if (!letters_begin(l))
		return tool_failed(&dead_letters_tool, "%s", letters_error(l));
	switch (args->command) {
	case LETTERS_LIST:
		return letters_list(l, args);
	case LETTERS_SHOW:
		return letters_show(l, args);
	case LETTERS_REPLAY:
		return letters_replay(cfg, l, args);
	case LETTERS_DROP:
		return letters_drop(l, args);
	case LETTERS_COMMANDS:
		break;
	}
	ASSERT(!"a command");
	return TOOL_FAILED;
}

static enum tool_exit run(const struct config *cfg, struct metrics *metrics, int argc, char **argv)
{
	static struct letters_args args;
	enum tool_exit code = letters_args_read(cfg, argc, argv, &args);
	if (code != TOOL_OK)
		return code;
	if (args.help) {
		fputs(helps[args.command], stdout);
		return TOOL_OK;
	}
	if (strcmp(cfg->log_level, "debug") != 0)
		log_set_level(LOG_ERROR); /* what matters is said in sentences */
	struct letters *l = letters_new(cfg, metrics, &args.filter);
	code = run_command(cfg, l, &args);
	letters_free(l);
	if (fflush(stdout) != 0 || ferror(stdout))
		return tool_failed(&dead_letters_tool, "standard output cannot be written");
	return code;
}

const struct tool dead_letters_tool = {
	.name = "dead-letters",
	.summary = "list, show, replay or drop what could not be processed",
	.help = "tyrattribution dead-letters COMMAND [OPTION...]: looks after messages that could "
		"not be "
		"processed.\n"
		"\n"
		"  list      which there are\n"
		"  show      single ones whole\n"
		"  replay    put them through the normal path again\n"
		"  drop      give them up\n"
		"\n"
		"Each has its own --help. Exit status: 0 done, 1 it could not be done, 2 wrong\n"
		"arguments, 3 done, but some selected letters could not be replayed.\n",
	.run = run,
};
