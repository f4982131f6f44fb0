/*
 * The query actor.
 *
 * Runs on its own thread with a PostgreSQL connection of its own.
 */
#include "actors/query.h"

#include <stdio.h>
#include <stdlib.h>

#include "actors/actor.h"
#include "store/campaign_table.h"
#include "store/days.h"
#include "store/explain.h"
#include "store/reports.h"
#include "store/settings.h"
#include "store/trace.h"
#include "util/clock.h"

#define IDLE_NS NS_PER_S
#define REGISTRAR_LANE 63

struct query {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	struct lane *registrar;

	/* owned by the query thread */
	struct pg *pg;
	struct zones zones;
	struct explain_rules rules;
};

/* When the asker gives up. */
static uint64_t due_ns(const struct query *q, const struct msg *m)
{
	return m->created_ns + (uint64_t)q->cfg->query_timeout_ms * NS_PER_MS;
}

static bool is_late(const struct query *q, const struct msg *m)
{
	return clock_mono_ns() > due_ns(q, m);
}

/* Ask once. What is left of an earlier try in @m is replaced. */
static enum err ask(struct query *q, struct msg *m)
{
	if (m->kind == MSG_REPORT) {
		report_restart(m->report.report);
		return reports_answer(q->pg, &q->zones, m->report.report);
	}
	if (m->kind == MSG_EXPLAIN) {
		explanation_restart(m->explain.explanation);
		return explain_answer(q->pg, &q->rules, m->explain.explanation, due_ns(q, m));
	}
	if (m->kind == MSG_TRACE) {
		trace_restart(m->trace.trace);
		return trace_answer(q->pg, q->cfg, m->trace.trace);
	}
	return days_of_campaign(q->pg, &m->query.campaign_id, m->query.from, m->query.to,
				&m->query.days, &m->query.n, &m->query.closed_through);
}

static enum err answer(struct query *q, struct msg *m)
{
	if (is_late(q, m))
		return ERR_TIMEOUT;
	enum err e = pg_ready(q->pg);
	if (e == ERR_OK)
		e = ask(q, m);
	if (e == ERR_DOWN && pg_ready(q->pg) == ERR_OK) /* a connection that died while idle */
		e = ask(q, m);
	return e;
}

/* A change must not be made twice, so a connection that died while idle is found out before. */
static enum err do_change(struct query *q, struct msg *m)
{
	if (is_late(q, m))
		return ERR_TIMEOUT;
	enum err e = pg_ready(q->pg);
	if (e == ERR_OK && pg_exec(q->pg, "SELECT") == ERR_DOWN)
		e = pg_ready(q->pg);
	if (e != ERR_OK)
		return e;
	return m->kind == MSG_CAMPAIGN ? campaign_do(q->pg, q->cfg, &m->campaign)
				       : settings_do(q->pg, q->cfg, &m->settings);
}

/* This process' registry shows a change before it is answered, or soon after if the registrar is
 * busy. */
static void on_campaign(struct query *q, struct msg *m)
{
	const enum err e = do_change(q, m);
	void *moved = m;
	if (e == ERR_OK && m->campaign.op != CAMPAIGN_READ &&
	    m->campaign.outcome == CAMPAIGN_DONE &&
	    mailbox_push(q->registrar, &moved) == MAILBOX_OK)
		return;
	msg_answer(m);
}

/* The outcome says what became of it. */
static void on_settings(struct query *q, struct msg *m)
{
	(void)!do_change(q, m);
	msg_answer(m);
}

static void on_query(struct query *q, struct msg *m)
{
	const enum err e = answer(q, m);
	m->query.status = e == ERR_OK	       ? QUERY_OK
			  : e == ERR_NOT_FOUND ? QUERY_NO_CAMPAIGN
					       : QUERY_FAILED;
	msg_answer(m);
}

static void on_report(struct query *q, struct msg *m)
{
	if (answer(q, m) != ERR_OK)
		m->report.report->status = REPORT_FAILED;
	msg_answer(m);
}

/* A conversion or an event by its id: its status is FAILED unless it was answered. */
static void on_lookup(struct query *q, struct msg *m)
{
	(void)!answer(q, m);
	msg_answer(m);
}

static void on_msg(void *self, struct msg *m)
{
	struct query *q = self;
	if (m->kind == MSG_QUERY) {
		on_query(q, m);
	} else if (m->kind == MSG_REPORT) {
		on_report(q, m);
	} else if (m->kind == MSG_EXPLAIN || m->kind == MSG_TRACE) {
		on_lookup(q, m);
	} else if (m->kind == MSG_CAMPAIGN) {
		on_campaign(q, m);
	} else {
		ASSERT(m->kind == MSG_SETTINGS);
		on_settings(q, m);
	}
}

static uint64_t on_idle(void *self)
{
	(void)self;
	return IDLE_NS;
}

static void init(void *self)
{
	struct query *q = self;
	/* The first question should not wait for this. */
	if (pg_ready(q->pg) == ERR_OK)
		(void)!zones_load(&q->zones, q->pg);
}

static void fini(void *self)
{
	struct query *q = self;
	pg_free(q->pg);
	zones_release(&q->zones);
	explain_rules_release(&q->rules);
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct query *query_start(const struct config *cfg, unsigned index, struct mailbox *mb,
			  struct mailbox *registrar, struct metrics_set *metrics)
{
	const struct pg_options options = {
		.role = "query",
		.session = SQL_query_session,
		.timeout_ms = (uint64_t)cfg->query_timeout_ms + 500,
		.statement_timeout_ms = cfg->query_timeout_ms,
	};
	char name[ACTOR_NAME_MAX];
	struct query *q = xcalloc(1, sizeof(*q));
	snprintf(name, sizeof(name), "query-%u", index);
	q->cfg = cfg;
	q->registrar = mailbox_lane_open(registrar, REGISTRAR_LANE);
	q->pg = pg_new(cfg, metrics_block_new(metrics), &options);
	actor_start(&q->actor, &ops, name, q, mb);
	return q;
}

void query_stop(struct query *q)
{
	if (q == NULL)
		return;
	actor_stop(&q->actor);
	free(q);
}
