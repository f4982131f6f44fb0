/*
 * `tyrattribution reconcile`: is everything that is derived what a recount of the events says?
 *
 * Runs on main, beside servers that go on.
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tools/reconcile_checks.h"

#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

static const char help[] =
	"tyrattribution reconcile: compares everything that is derived with a recount of the "
	"events:\n"
	"\n"
	"  fences               what was read from Kafka, and what became of it, per partition\n"
	"  stored events        rows of the event tables, with the counts of the fences\n"
	"  dead letters         rows of dead_letters, with the counts of the fences\n"
	"  attribution          each conversion's click, with the last click by the rule\n"
	"  click_buckets, conversion_buckets, day_shares\n"
	"                       sums of 15 minutes and of days, with the events\n"
	"  campaign_journals, campaign_statistics\n"
	"                       closed days, their weeks and months, with the events\n"
	"  kafka                how much is still to be read\n"
	"  redis                live counters, with day_shares and with each other\n"
	"\n"
	"All of PostgreSQL is compared in one snapshot, while events go on being booked. What is\n"
	"only late is pending and no difference: journals that will be written again, counters\n"
	"that lag. Neither is a day that Redis does not hold, or Redis or Kafka being down.\n"
	"\n"
	"Options:\n"
	"  --day DAY            look only at this UTC day, YYYY-MM-DD, or FROM..TO\n"
	"\n"
	"Exit status: 0 all equal, 1 it could not be done, 2 wrong arguments, 3 something "
	"differs.\n"
	"stdout: a line for each check, with its first differences; stderr: progress.\n";

/* Read YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD; @text is cut in two. */
static bool parse_days(char *text, struct reconcile *r)
{
	char *last = strstr(text, "..");
	if (last != NULL) {
		*last = '\0';
		last += 2;
	} else {
		last = text;
	}
	r->range = (struct recount_range){.first = text, .last = last};
	return date_parse(text, strlen(text), &r->first_day) &&
	       date_parse(last, strlen(last), &r->last_day) && r->first_day <= r->last_day;
}

static enum tool_exit reconcile(const struct config *cfg, struct metrics *metrics, int argc,
				char **argv)
{
	static const struct option options[] = {{"day", required_argument, NULL, 'd'},
						{NULL, 0, NULL, 0}};
	struct reconcile r = {.cfg = cfg,
			      .metrics = metrics,
			      .range = {"-infinity", "infinity", true},
			      .first_day = FIRST_DAY,
			      .last_day = LAST_DAY};
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'd' && !parse_days(optarg, &r))
			return tool_usage(&reconcile_tool,
					  "--day takes YYYY-MM-DD, or two with .. between them");
		if (c == '?')
			return tool_usage(&reconcile_tool, "what is %s?", argv[optind - 1]);
	}
	if (optind < argc)
		return tool_usage(&reconcile_tool, "what is %s?", argv[optind]);
	struct reconcile_result found = {0};
	enum tool_exit code;
	const enum err e = reconcile_open(&r) ? reconcile_check(&r, &found) : ERR_DOWN;
	if (e != ERR_OK)
		code = tool_failed(&reconcile_tool, "%s: %s", err_text(e), pg_error(r.pg));
	else
		code = reconcile_differences(&found) > 0 ? TOOL_DIFFERENCE : TOOL_OK;
	reconcile_result_release(&found);
	reconcile_close(&r);
	return code;
}

const struct tool reconcile_tool = {
	.name = "reconcile",
	.summary = "compare what is derived with the events",
	.help = help,
	.run = reconcile,
};
