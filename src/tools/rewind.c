/*
 * `replay` in place: the stored offsets are set back, the running servers read on from there.
 *
 * Runs on the main thread.
 *
 * order_note: only an assignment makes a server claim a partition, and setting offsets back voids
 * the claim there was; so the servers must be assigned anew afterwards, whatever becomes of this
 * process. Therefore it (1) becomes a member of their consumer group, (2) sets the offsets back,
 * (3) leaves, which assigns everything anew. Killed before (2), nothing has changed. Killed after
 * (1), the group notices within the session timeout and assigns anew all the same. Membership is
 * kept alive during (2), and (3) happens only as a member: a claim made while the offsets were
 * being set back is always followed by another. What a server had read or was booking under an
 * older claim is refused by the fence.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/membership.h"
#include "tools/ranges.h"
#include "util/clock.h"

#define OWNER "replay " /* a server's name has no space */
#define RETRY_MS 200
#define LOCK_TIMEOUT_MS 1000 /* shorter than the group waits for a sign of life */
#define LOCKED_NS (60 * NS_PER_S)
#define STATEMENT_MS (3600 * 1000)

struct rewind {
	const struct config *cfg;
	const struct replay_options *options;
	struct pg *pg;
	struct kafka_log *log;
	struct fence_row *rows;
	int n;
	struct range (*ranges)[EVENT_KINDS]; /* by row */
	int64_t excess[EVENT_KINDS];	     /* before */
	char owner[FENCE_OWNER_MAX];

	struct membership *member; /* while it lasts */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms); /* ends early at a signal */
}

static enum tool_exit pg_failed(const struct rewind *w, const char *what, enum err e)
{
	return tool_failed(&replay_tool, "%s: %s (%s)", what, pg_error(w->pg), err_text(e));
}

/* --- what there is to do --- */

static enum tool_exit connect_pg(struct rewind *w)
{
	const uint64_t until = clock_mono_ns() + (uint64_t)w->cfg->start_timeout_ms * NS_PER_MS;
	enum err e;
	while ((e = pg_ready(w->pg)) != ERR_OK) {
		if (clock_mono_ns() > until || interrupted)
			return pg_failed(w, "PostgreSQL cannot be reached", e);
		pause_ms(RETRY_MS);
	}
	return TOOL_OK;
}

static bool is_chosen(const struct replay_options *o, int32_t partition, int topic)
{
	return (o->partition < 0 || o->partition == partition) &&
	       (o->topic < 0 || o->topic == topic);
}

/* All problems are told, not only the first. */
static enum tool_exit plan(struct rewind *w)
{
	enum tool_exit code = TOOL_OK;
	bool any = false;
	w->ranges = xcalloc((size_t)w->n + 1, sizeof(*w->ranges));
	for (int i = 0; i < w->n; i++) {
		for (int k = 0; k < EVENT_KINDS; k++) {
			if (!is_chosen(w->options, w->rows[i].partition, k))
				continue;
			any = true;
			if (range_plan(w->log, w->options, &w->rows[i], (enum event_kind)k,
				       &w->ranges[i][k]) != TOOL_OK)
				code = TOOL_FAILED;
		}
	}
	if (!any)
		return w->n == 0 ? tool_failed(&replay_tool, "no server has read anything yet")
				 : tool_failed(&replay_tool, "no server has read partition %d yet",
					       w->options->partition);
	return code;
}

static bool has_work(const struct range ranges[EVENT_KINDS])
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (ranges[k].from < ranges[k].to)
			return true;
	}
	return false;
}

static bool any_work(const struct rewind *w)
{
	for (int i = 0; i < w->n; i++) {
		if (has_work(w->ranges[i]))
			return true;
	}
	return false;
}

static void print_plan(const struct rewind *w)
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		for (int i = 0; i < w->n; i++) {
			const struct range *r = &w->ranges[i][k];
			if (r->from < r->to)
				printf("%s partition %d: offsets %" PRId64 " to %" PRId64
				       ", %" PRId64 " messages\n",
				       kafka_log_topic(w->log, (enum event_kind)k),
				       w->rows[i].partition, r->from, r->to - 1, r->to - r->from);
		}
	}
}

/* --- setting back --- */

/* One partition; waits for a batch that is being booked. */
static enum err set_back(struct rewind *w, int i)
{
	int64_t target[EVENT_KINDS];
	struct fence now;
	const uint64_t until = clock_mono_ns() + LOCKED_NS;
	enum err e;
	for (int k = 0; k < EVENT_KINDS; k++)
		target[k] = w->ranges[i][k].from < w->ranges[i][k].to ? w->ranges[i][k].from : -1;
	do {
		e = pg_ready(w->pg);
		if (e == ERR_OK)
			e = fence_rewind(w->pg, w->rows[i].partition, w->owner, target, &now);
		if (!membership_pump(w->member, e == ERR_DOWN ? RETRY_MS : 0))
			return ERR_FAILED;
	} while (err_is_retriable(e) && clock_mono_ns() < until);
	for (int k = 0; e == ERR_OK && k < EVENT_KINDS; k++) {
		if (target[k] >= 0)
			w->ranges[i][k] = (struct range){now.next_offset[k], now.high_offset[k]};
	}
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum tool_exit set_all_back(struct rewind *w)
{
	for (int i = 0; i < w->n; i++) {
		if (!has_work(w->ranges[i]))
			continue;
		const enum err e = set_back(w, i);
		if (e == ERR_OK)
			continue;
		(void)pg_failed(w, "setting the offsets back failed", e);
		return tool_failed(&replay_tool,
				   "partitions before %d may be set back already, which does no "
				   "harm; repeat the command",
				   w->rows[i].partition);
	}
	return TOOL_OK;
}

/* See order_note. */
static enum tool_exit send_servers_back(struct rewind *w)
{
	const char *group = w->cfg->kafka_group_id;
	enum tool_exit code;
	w->member = membership_begin(w->cfg);
	if (w->member == NULL)
		return tool_failed(&replay_tool, "no file descriptor is left");
	if (!membership_await(w->member, &replay_tool))
		code = tool_failed(&replay_tool,
				   "the consumer group %s cannot be joined; nothing was changed",
				   group);
	else if (interrupted)
		code = tool_failed(&replay_tool, "interrupted; nothing was changed");
	else
		code = set_all_back(w);
	if (code == TOOL_OK && !membership_await(w->member, &replay_tool))
		code = tool_failed(&replay_tool,
				   "the consumer group %s was lost on the way: restart the "
				   "servers, or repeat the command",
				   group);
	membership_end(w->member);
	w->member = NULL;
	return code;
}

/* --- waiting --- */

struct progress {
	int64_t done, total;
	int unclaimed; /* partitions that no server has taken yet */
};

static const struct fence_row *find_row(const struct fence_row *rows, int n, int32_t partition)
{
	for (int i = 0; i < n; i++) {
		if (rows[i].partition == partition)
			return &rows[i];
	}
	return NULL;
}

static struct progress measure(const struct rewind *w, const struct fence_row *rows, int n)
{
	struct progress p = {0, 0, 0};
	for (int i = 0; i < w->n; i++) {
		const struct fence_row *row = find_row(rows, n, w->rows[i].partition);
		if (!has_work(w->ranges[i]) || row == NULL)
			continue;
		p.unclaimed += strncmp(row->owner, OWNER, strlen(OWNER)) == 0;
		for (int k = 0; k < EVENT_KINDS; k++) {
			const struct range *r = &w->ranges[i][k];
			const int64_t next = row->fence.next_offset[k];
			if (r->from >=
			    r->to) /* not of this topic, of which nothing may have been read */
				continue;
			p.total += r->to - r->from;
			p.done += (next < r->to ? next : r->to) - r->from;
		}
	}
	return p;
}

static void say_progress(const struct progress *p, uint64_t *state)
{
	if (p->unclaimed > 0)
		tool_progress(&replay_tool, state,
			      "%" PRId64 " of %" PRId64 " messages read again; %d partitions wait "
			      "for a server (is one running?)",
			      p->done, p->total, p->unclaimed);
	else
		tool_progress(&replay_tool, state, "%" PRId64 " of %" PRId64 " messages read again",
			      p->done, p->total);
}

static enum tool_exit wait_until_done(struct rewind *w)
{
	struct progress p = {0, 1, 0};
	uint64_t said = 0;
	while (!interrupted) {
		struct fence_row *rows = NULL;
		int n;
		if (pg_ready(w->pg) == ERR_OK && fence_list(w->pg, &rows, &n) == ERR_OK) {
			p = measure(w, rows, n);
			free(rows);
			if (p.done >= p.total)
				return TOOL_OK;
		}
		say_progress(&p, &said);
		pause_ms(RETRY_MS);
	}
	return tool_failed(&replay_tool,
			   "interrupted after %" PRId64 " of %" PRId64
			   " messages; the servers go on reading them again",
			   p.done, p.total);
}

/* --- the summary --- */

static void print_topic(const struct rewind *w, int k, const int64_t *stored_again)
{
	int64_t messages = 0, from = INT64_MAX, to = 0;
	int partitions = 0;
	for (int i = 0; i < w->n; i++) {
		const struct range *r = &w->ranges[i][k];
		if (r->from >= r->to)
			continue;
		partitions++;
		messages += r->to - r->from;
		from = r->from < from ? r->from : from;
		to = r->to > to ? r->to : to;
	}
	if (partitions == 0)
		return;
	printf("%s: %" PRId64 " messages of %d partitions, offsets %" PRId64 " to %" PRId64 ", ",
	       kafka_log_topic(w->log, (enum event_kind)k), messages, partitions, from, to - 1);
	if (stored_again == NULL)
		printf("are being read again\n");
	else
		printf("were read again; %" PRId64 " events were missing and are stored now\n",
		       stored_again[k]);
}

static enum tool_exit finish(struct rewind *w)
{
	int64_t now[EVENT_KINDS] = {0};
	if (w->options->no_wait) {
		for (int k = 0; k < EVENT_KINDS; k++)
			print_topic(w, k, NULL);
		return TOOL_OK;
	}
	const enum tool_exit code = wait_until_done(w);
	if (code != TOOL_OK)
		return code;
	const enum err e = fence_excess(w->pg, now);
	if (e != ERR_OK)
		return pg_failed(w, "everything was read again, but the events cannot be counted",
				 e);
	for (int k = 0; k < EVENT_KINDS; k++) {
		now[k] -= w->excess[k];
		print_topic(w, k, now);
	}
	return TOOL_OK;
}

static enum tool_exit go(struct rewind *w)
{
	enum err e;
	enum tool_exit code = connect_pg(w);
	if (code != TOOL_OK)
		return code;
	e = fence_list(w->pg, &w->rows, &w->n);
	if (e != ERR_OK)
		return pg_failed(w, "the stored offsets cannot be read", e);
	code = plan(w);
	if (code != TOOL_OK)
		return code;
	if (!any_work(w)) {
		printf("nothing to read again\n");
		return TOOL_OK;
	}
	if (w->options->dry_run) {
		print_plan(w);
		return TOOL_OK;
	}
	e = w->options->no_wait ? ERR_OK : fence_excess(w->pg, w->excess);
	if (e != ERR_OK)
		return pg_failed(w, "the events cannot be counted", e);
	code = send_servers_back(w);
	return code == TOOL_OK ? finish(w) : code;
}

static void catch_signals(void)
{
	/* a second signal ends the process at once */
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

enum tool_exit rewind_run(const struct config *cfg, struct metrics *metrics,
			  const struct replay_options *options)
{
	const struct pg_options pg_options = {
		.role = "replay", .timeout_ms = STATEMENT_MS, .lock_timeout_ms = LOCK_TIMEOUT_MS};
	struct rewind w = {.cfg = cfg, .options = options};
	char host[64] = "";
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(w.owner, sizeof(w.owner), OWNER "%s:%d", host, (int)getpid());
	catch_signals();
	w.pg = pg_new(cfg, metrics, &pg_options);
	w.log = kafka_log_new(cfg);
	const enum tool_exit code = go(&w);
	kafka_log_free(w.log);
	pg_free(w.pg);
	free(w.rows);
	free(w.ranges);
	return code;
}
