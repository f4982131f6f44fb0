/*
 * `tyrattribution reconcile`: is everything that is derived what a recount of the events says?
 *
 * Runs on main, beside servers that go on.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/journals.h"
#include "store/pending.h"
#include "store/repair.h"
#include "tools/reconcile_checks.h"
#include "util/clock.h"

#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */
#define FOLLOW_TRIES 200    /* while another process writes journals */
#define FOLLOW_PAUSE_US 50000

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
	"  campaign_journals, campaign_quarters, campaign_statistics\n"
	"                       closed days, their packed quarters, weeks and months, with the\n"
	"                       events\n"
	"  kafka                how much is still to be read\n"
	"  redis                live counters, with day_shares and with each other\n"
	"\n"
	"All of PostgreSQL is compared in one snapshot, while events go on being booked. What is\n"
	"only late is pending and no difference: journals that will be written again, counters\n"
	"that lag. Neither is a day that Redis does not hold, or Redis or Kafka being down.\n"
	"\n"
	"Options:\n"
	"  --day DAY            look only at this UTC day, YYYY-MM-DD, or FROM..TO\n"
	"  --repair             mend what is derived, then check again. Servers may go on: one\n"
	"                       partition at a time waits for a moment. Events are not changed,\n"
	"                       but for the click of a conversion; counts of the fences cannot\n"
	"                       be repaired.\n"
	"\n"
	"Exit status: 0 all equal (at the end), 1 it could not be done, 2 wrong arguments, 3 "
	"something "
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

/* Delete from Redis the days that were found wrong before anything was repaired, and those that are
 * wrong still. */
static enum err repair_live(struct reconcile *r, const struct reconcile_result *found)
{
	struct finding f = FINDING_INIT;
	struct campaign_day *wrong = NULL;
	uint32_t n = 0;
	enum err e = live_check_delete(r->live, found->live_days, found->n_live_days);
	if (e == ERR_OK)
		e = pg_ready(r->live_pg);
	if (e == ERR_OK)
		e = live_check_compare(r->live, r->first_day, r->last_day, 0, &f, &wrong, &n);
	if (e == ERR_OK)
		e = live_check_delete(r->live, wrong, n);
	if (e == ERR_OK && found->n_live_days + n > 0)
		printf("%-8s %-20s %u campaign days deleted, to be written anew\n", "repaired",
		       "redis", found->n_live_days + n);
	free(wrong);
	finding_release(&f);
	return e;
}

/* Write the journals that are listed; a server that is at it does the same. */
static enum err follow_journals(struct reconcile *r)
{
	int64_t written = 0, all = 0;
	bool any;
	enum err e = pg_ready(r->live_pg);
	for (int tries = 0; e == ERR_OK && tries < FOLLOW_TRIES;) {
		e = journals_follow(r->live_pg, JOURNALS_PIECE_MAX, &any, &written);
		all += written;
		if (e == ERR_OK && !any)
			break;
		if (e == ERR_BUSY) {
			usleep(FOLLOW_PAUSE_US);
			tries++;
			e = ERR_OK;
		}
	}
	if (all > 0)
		printf("%-8s %-20s %" PRId64 " written\n", "repaired", "campaign_journals", all);
	return e;
}

static void show_progress(void *context, int64_t done, int64_t total)
{
	tool_progress(&reconcile_tool, context, "repaired %" PRId64 " of %" PRId64, done, total);
}

static enum err repair(struct reconcile *r, const struct reconcile_result *found)
{
	struct repair_report done = {0};
	uint64_t progress = 0;
	enum err e = repair_differences(r->pg, &done, show_progress, &progress);
	if (done.transactions > 0)
		printf("%-8s %-20s %" PRId64 " conversions and %" PRId64 " cells in %" PRId64
		       " transactions, the longest of %" PRId64 " ms\n",
		       "repaired", "postgres", done.attributions, done.cells, done.transactions,
		       (int64_t)(done.longest_ns / NS_PER_MS));
	if (e == ERR_OK)
		e = follow_journals(r);
	if (e == ERR_OK && repair_live(r, found) != ERR_OK)
		printf("%-8s %-20s it cannot be reached\n", "skipped", "redis");
	fflush(stdout);
	return e;
}

/* Repair what was found, and check again: @found is then what is left. */
static enum err repair_and_check(struct reconcile *r, struct reconcile_result *found)
{
	enum err e = repair(r, found);
	if (e != ERR_OK)
		return e;
	reconcile_result_release(found);
	printf("\nAfter the repair:\n");
	e = reconcile_check(r, found);
	if (e == ERR_OK && found->counts > 0)
		printf("\nWhat the fences count, and rows that are missing, cannot be repaired "
		       "from what is stored: read Kafka again for the rows.\n");
	return e;
}

/* What a recompute has switched to and not folded in yet looks different from what is booked; and
 * nothing may be mended beside what is prepared from it. */
static enum err check_settled(const struct reconcile *r, bool may_repair, bool *settled)
{
	enum pending_state state = PENDING_NONE;
	const enum err e = pending_look(r->pg, &state);
	*settled = state == PENDING_NONE || (state == PENDING_BUILDING && !may_repair);
	return e;
}

static enum tool_exit run(struct reconcile *r, bool may_repair)
{
	struct reconcile_result found = {0};
	bool got = true, settled = true;
	signal(SIGPIPE, SIG_IGN); /* hiredis writes without MSG_NOSIGNAL */
	enum err e = reconcile_open(r) ? ERR_OK : ERR_DOWN;
	if (e == ERR_OK && may_repair)
		e = repair_try_lock(r->pg, &got);
	if (e == ERR_OK && !got)
		return tool_failed(&reconcile_tool, "another repair or a recompute is running");
	if (e == ERR_OK)
		e = check_settled(r, may_repair, &settled);
	if (e == ERR_OK && !settled)
		return tool_failed(
			&reconcile_tool,
			"a recompute is not finished: `tyrattribution recompute --status`");
	if (e == ERR_OK)
		e = reconcile_check(r, &found);
	if (e == ERR_OK && may_repair && reconcile_differences(&found) > 0)
		e = repair_and_check(r, &found);
	const bool differs = reconcile_differences(&found) > 0;
	reconcile_result_release(&found);
	if (e != ERR_OK)
		return tool_failed(&reconcile_tool, "%s: %s", err_text(e), pg_error(r->pg));
	return differs ? TOOL_DIFFERENCE : TOOL_OK;
}

static enum tool_exit reconcile(const struct config *cfg, struct metrics *metrics, int argc,
				char **argv)
{
	static const struct option options[] = {{"day", required_argument, NULL, 'd'},
						{"repair", no_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};
	struct reconcile r = {.cfg = cfg,
			      .metrics = metrics,
			      .range = {"-infinity", "infinity", true},
			      .first_day = FIRST_DAY,
			      .last_day = LAST_DAY};
	bool may_repair = false;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'd' && !parse_days(optarg, &r))
			return tool_usage(&reconcile_tool,
					  "--day takes YYYY-MM-DD, or two with .. between them");
		if (c == '?')
			return tool_usage(&reconcile_tool, "what is %s?", argv[optind - 1]);
		may_repair |= c == 'r';
	}
	if (optind < argc)
		return tool_usage(&reconcile_tool, "what is %s?", argv[optind]);
	const enum tool_exit code = run(&r, may_repair);
	reconcile_close(&r);
	return code;
}

const struct tool reconcile_tool = {
	.name = "reconcile",
	.summary = "compare what is derived with the events, and repair it",
	.help = help,
	.run = reconcile,
};
