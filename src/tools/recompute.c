/*
 * `tyrattribution recompute`: what is attributed already, by other settings.
 *
 * Runs on main, beside servers that go on.
 */
#include "store/recompute.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/migrate.h"
#include "store/repair.h"
#include "store/statement.h"
#include "tools/recompute_args.h"
#include "util/clock.h"
#include "util/money.h"

#define BAR_WIDTH 30
#define PPM 1000000

struct run {
	const struct recompute_args *args;
	struct pg *pg;
	uint64_t began_ns, said_ns;
	int64_t first; /* done already when this began */
	int64_t lines; /* of changes */
};

/* --- progress --- */

/* A bar on a terminal, a line a second elsewhere. */
static void show_progress(void *context, const char *what, int64_t done, int64_t total)
{
	struct run *run = context;
	const uint64_t now = clock_mono_ns();
	const bool is_end = total > 0 && done == total;
	if (run->said_ns == 0)
		run->first = done;
	if (run->said_ns != 0 && !is_end && now - run->said_ns < NS_PER_S)
		return;
	const double seconds = (double)(now - run->began_ns) / NS_PER_S;
	const double rate = seconds > 0 ? (double)(done - run->first) / seconds : 0;
	const int filled = total > 0 ? (int)(done * BAR_WIDTH / total) : 0;
	char bar[BAR_WIDTH + 1];
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	run->said_ns = now;
	fprintf(stderr, "%srecompute: %s ", isatty(STDERR_FILENO) ? "\r" : "", what);
	if (total > 0)
		fprintf(stderr, "[%s] %3d %% ", bar, (int)(done * 100 / total));
	fprintf(stderr, "%" PRId64, done);
	if (total > 0)
		fprintf(stderr, " of %" PRId64 " conversions, %.0f/s, %.0f s left", total, rate,
			rate > 0 ? (double)(total - done) / rate : 0);
	fputs(isatty(STDERR_FILENO) && !is_end ? "   " : "\n", stderr);
}

static void begin_progress(struct run *run)
{
	run->began_ns = clock_mono_ns();
	run->said_ns = 0;
}

/* --- what changes --- */

static void format_minor(const char *minor, char out[MONEY_TEXT_MAX])
{
	__int128 value = 0;
	(void)!minor_parse(minor, &value);
	out[money_format(value, out)] = '\0';
}

static void print_change(void *context, const struct recompute_change *c)
{
	struct run *run = context;
	char value[MONEY_TEXT_MAX + 1], lost[MONEY_TEXT_MAX + 1], credit[MONEY_TEXT_MAX + 8];
	const int64_t whole = c->credit < 0 ? -c->credit : c->credit;
	format_minor(c->value_minor, value);
	format_minor(c->unattributed_value_minor, lost);
	snprintf(credit, sizeof(credit), "%s%" PRId64 ".%06" PRId64, c->credit < 0 ? "-" : "",
		 whole / PPM, whole % PPM);
	if (run->args->ndjson) {
		printf("{\"day\":\"%s\",\"campaign_id\":\"%s\",\"model\":\"%s\",\"conversions\":\"%"
		       "s\","
		       "\"value\":\"%s\",\"unattributed_conversions\":%" PRId64
		       ",\"unattributed_value\":\"%s\"}\n",
		       c->day, c->campaign, c->model, credit, value, c->unattributed, lost);
		return;
	}
	if (run->lines++ == 0)
		printf("%-10s  %-36s  %-15s %14s %14s %12s %14s\n", "day", "campaign", "model",
		       "conversions", "value", "unattributed", "their value");
	printf("%-10s  %-36s  %-15s %14s %14s %12" PRId64 " %14s\n", c->day, c->campaign, c->model,
	       credit, value, c->unattributed, lost);
}

static enum err print_changes(struct run *run, const char *what)
{
	int64_t conversions = 0;
	const enum err e = recompute_changes(run->pg, print_change, run, &conversions);
	if (e == ERR_OK)
		fprintf(run->args->ndjson ? stderr : stdout,
			"%" PRId64 " conversions %s other credits\n", conversions, what);
	fflush(stdout);
	return e;
}

/* --- the steps --- */

static enum tool_exit failed(const struct run *run, const char *what, enum err e)
{
	return tool_failed(&recompute_tool, "%s: %s: %s", what, err_text(e), pg_error(run->pg));
}

static enum tool_exit try_out(struct run *run)
{
	enum err e = recompute_try(run->pg);
	if (e == ERR_OK)
		e = recompute_begin(run->pg, &run->args->wish, true);
	begin_progress(run);
	if (e == ERR_OK)
		e = recompute_build(run->pg, true, show_progress, run);
	if (e == ERR_OK)
		e = print_changes(run, "would get");
	pg_rollback(run->pg);
	return e == ERR_OK ? TOOL_OK : failed(run, "the dry run failed", e);
}

/* From wherever it stands to the end. */
static enum tool_exit go_on(struct run *run)
{
	struct recompute_status status;
	enum err e = recompute_status(run->pg, &status);
	if (e == ERR_OK && status.state == PENDING_BUILDING) {
		begin_progress(run);
		e = recompute_build(run->pg, false, show_progress, run);
		if (e == ERR_OK)
			e = print_changes(run, "get");
		if (e == ERR_OK)
			e = recompute_switch(run->pg);
		if (e == ERR_OK)
			fprintf(stderr,
				"recompute: switched, the new settings count from here on\n");
	}
	if (e != ERR_OK)
		return failed(run, "not finished, `recompute --resume` goes on", e);
	begin_progress(run);
	e = recompute_fold(run->pg, show_progress, run);
	if (e != ERR_OK)
		return failed(run, "switched, `recompute --resume` tidies up", e);
	fprintf(stderr, "recompute: done\n");
	return TOOL_OK;
}

static enum tool_exit begin(struct run *run)
{
	const enum err e = recompute_begin(run->pg, &run->args->wish, false);
	if (e == ERR_BUSY)
		return tool_failed(
			&recompute_tool,
			"another recompute is not finished: --status, --resume, --abort");
	return e == ERR_OK ? go_on(run) : failed(run, "it cannot begin", e);
}

static enum tool_exit give_up(struct run *run)
{
	const enum err e = recompute_abort(run->pg);
	if (e == ERR_BUSY)
		return tool_failed(&recompute_tool,
				   "it was switched to already: only --resume is left");
	return e == ERR_OK ? TOOL_OK : failed(run, "it cannot be given up", e);
}

static enum tool_exit print_status(const struct run *run)
{
	struct recompute_status s;
	const enum err e = recompute_status(run->pg, &s);
	if (e != ERR_OK)
		return failed(run, "it cannot be read", e);
	if (s.state == PENDING_NONE)
		printf("no recompute is under way\n");
	else if (s.state == PENDING_FOLDING)
		printf("switched, being folded in: %s\n", s.description);
	else
		printf("building, %" PRId64 " of %" PRId64 " conversions: %s\n", s.total - s.left,
		       s.total, s.description);
	return TOOL_OK;
}

static enum tool_exit act(struct run *run)
{
	bool got = true;
	if (run->args->what == RECOMPUTE_STATUS)
		return print_status(run);
	const enum err e =
		run->args->what == RECOMPUTE_TRY ? ERR_OK : repair_try_lock(run->pg, &got);
	if (e != ERR_OK)
		return failed(run, "PostgreSQL", e);
	if (!got)
		return tool_failed(&recompute_tool, "another recompute or repair is running");
	switch (run->args->what) {
	case RECOMPUTE_TRY:
		return try_out(run);
	case RECOMPUTE_ABORT:
		return give_up(run);
	case RECOMPUTE_RESUME:
		return go_on(run);
	case RECOMPUTE_STATUS:
	case RECOMPUTE_BEGIN:
	default:
		return begin(run);
	}
}

static enum tool_exit recompute(const struct config *cfg, struct metrics *metrics, int argc,
				char **argv)
{
	const struct pg_options options = {.role = "recompute",
					   .session = RECOMPUTE_SESSION,
					   .more = SQL_paths_session,
					   .timeout_ms = RECOMPUTE_TIMEOUT_MS,
					   .lock_timeout_ms = 30000};
	struct recompute_args args;
	struct run run = {.args = &args};
	struct deployment deployment;
	enum tool_exit code = recompute_args_read(&args, argc, argv);
	if (code != TOOL_OK)
		return code;
	migrate_check_schema(cfg, metrics, &deployment);
	run.pg = pg_new(cfg, metrics, &options);
	const enum err e = pg_ready(run.pg);
	code = e == ERR_OK ? act(&run) : failed(&run, "PostgreSQL cannot be reached", e);
	pg_free(run.pg);
	return code;
}

const struct tool recompute_tool = {
	.name = "recompute",
	.summary = "apply other windows or models' settings to what is attributed already",
	.help = recompute_help,
	.run = recompute,
};
