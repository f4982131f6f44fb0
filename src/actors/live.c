/*
 * The live actor.
 *
 * Runs on its own thread with a Redis connection of its own.
 *
 * trust_note: totals read after the versions are at least as new as them. If every published
 * version is at least PostgreSQL's version of a moment T, the totals hold everything committed
 * before T; T is less than HISTORY_MAX_AGE_NS ago, so the answer is no older than a second.
 */
#include "actors/live.h"

#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "store/history_cache.h"
#include "store/live_counters.h"
#include "util/clock.h"

#define IDLE_NS (100 * NS_PER_MS)
#define REDIS_TIMEOUT_MS 200
#define COUNTER_LANE 127

struct live {
	struct actor actor;

	/* set before start, then read-only */
	int32_t partitions;
	struct lane *counter;
	struct recent_days *recent;

	/* owned by the live thread */
	struct live_counters *redis;
	struct msg *versions;		  /* MSG_VERSIONS, the latest; NULL before the first */
	struct msg *waiting[ACTOR_BATCH]; /* MSG_LIVE */
	uint32_t n;
	struct live_reading readings[ACTOR_BATCH];
	int64_t *published;
};

static void answer_all(struct live *l, bool trusted, bool down)
{
	const uint64_t read_ns = clock_mono_ns();
	for (uint32_t i = 0; i < l->n; i++) {
		struct msg *m = l->waiting[i];
		m->live.found = trusted && l->readings[i].found;
		m->live.down = down;
		m->live.totals = l->readings[i].totals;
		m->live.as_of_ns = trusted ? l->versions->versions.as_of_ns : 0;
		if (trusted && !l->readings[i].found) {
			struct msg *rebuild = msg_new(MSG_REBUILD, 0);
			rebuild->rebuild = (struct msg_rebuild){m->live.campaign_id, m->live.day};
			(void)actor_send(l->counter, rebuild);
		} else if (m->live.found) {
			recent_days_put(l->recent, &(struct recent_day){
							   .campaign_id = m->live.campaign_id,
							   .day = m->live.day,
							   .totals = m->live.totals,
							   .as_of_ns = m->live.as_of_ns,
							   .read_ns = read_ns,
						   });
		}
		msg_answer(m);
	}
	l->n = 0;
}

/* See trust_note. */
static bool is_trusted(const struct live *l)
{
	const struct msg *v = l->versions;
	if (v == NULL || clock_mono_ns() - v->versions.as_of_ns > HISTORY_MAX_AGE_NS)
		return false;
	for (uint32_t s = 0; s < v->versions.n; s++) {
		if (l->published[s] < v->versions.versions[s])
			return false;
	}
	return true;
}

static void read_all(struct live *l)
{
	enum err e = live_counters_ready(l->redis);
	for (uint32_t i = 0; i < l->n; i++)
		l->readings[i] = (struct live_reading){
			.key = {l->waiting[i]->live.campaign_id, l->waiting[i]->live.day}};
	if (e == ERR_OK)
		e = live_counters_read(l->redis, l->published, (uint32_t)l->partitions, l->readings,
				       l->n);
	if (e != ERR_OK)
		live_counters_drop(l->redis);
	answer_all(l, e == ERR_OK && is_trusted(l), e != ERR_OK);
}

static void on_msg(void *self, struct msg *m)
{
	struct live *l = self;
	if (m->kind == MSG_VERSIONS) {
		ASSERT(m->versions.n == (uint32_t)l->partitions);
		if (l->versions != NULL)
			(void)actor_send(l->counter, l->versions); /* full: newer ones follow */
		l->versions = m;
		return;
	}
	ASSERT(m->kind == MSG_LIVE);
	l->waiting[l->n++] = m;
	if (l->n == ACTOR_BATCH)
		read_all(l);
}

static uint64_t on_idle(void *self)
{
	struct live *l = self;
	if (l->n > 0)
		read_all(l);
	return IDLE_NS;
}

static void fini(void *self)
{
	struct live *l = self;
	answer_all(l, false, false);
	msg_free(l->versions);
	live_counters_free(l->redis);
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct live *live_start(const struct config *cfg, int32_t partitions, const struct uuid *deployment,
			struct mailbox *mb, struct mailbox *counter, struct recent_days *recent,
			struct metrics_set *metrics)
{
	struct live *l = xcalloc(1, sizeof(*l));
	l->partitions = partitions;
	l->recent = recent;
	l->counter = mailbox_lane_open(counter, COUNTER_LANE);
	l->redis = live_counters_new(cfg, metrics_block_new(metrics), "live", REDIS_TIMEOUT_MS,
				     deployment);
	l->published = xcalloc((size_t)partitions, sizeof(*l->published));
	actor_start(&l->actor, &ops, "live", l, mb);
	return l;
}

void live_stop(struct live *l)
{
	if (l == NULL)
		return;
	actor_stop(&l->actor);
	free(l->published);
	free(l);
}
