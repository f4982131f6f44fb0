/*
 * The counter actor.
 *
 * Runs on its own thread, with a Redis and a PostgreSQL connection of its own.
 *
 * chain_note: versions of a shard are consecutive. A shard is in step when the message that comes
 * is the version after the last one seen. A gap, a lost pipeline, a Redis that forgot: the shard is
 * out of step, and is only published again after a resync, which writes every live day from
 * PostgreSQL and publishes the versions that were read before the days were.
 *
 * silence_note: a version whose message never comes (a repair made it, not a writer) would go
 * unnoticed until the shard's next event. So the versions that history saw in PostgreSQL come here
 * too: a shard that stays behind them for STALL_NS without moving is out of step.
 */
#include "actors/counter.h"

#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "store/days.h"
#include "store/live_counters.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_NS (100 * NS_PER_MS)
#define RETRY_NS (200 * NS_PER_MS)
#define CHECK_NS (500 * NS_PER_MS) /* are the published versions still there? */
#define SWEEP_NS NS_PER_S	   /* are the known days still there? */
#define SWEEP_DAYS 5000		   /* days looked at in one sweep */
#define INFO_NS (5 * NS_PER_S)
#define STALL_NS NS_PER_S /* longer than a message of a commit takes to come here */
#define LOAD_DAYS 250	  /* days written from one snapshot */
#define LOAD_TRIES 50	  /* snapshots for a day before the resync is given up */
#define REDIS_TIMEOUT_MS 1000
#define SHARES_PER_TURN 4096

struct shard {
	bool ours;
	bool in_step;
	bool touched;	   /* seen > published: to be published at the end of the turn */
	int64_t seen;	   /* the last version whose shares are in the counters */
	int64_t published; /* what Redis was told last */

	/* see silence_note */
	uint64_t stalled_since_ns; /* 0: PostgreSQL is not known to be ahead */
	int64_t stalled_at;	   /* what was seen then */
};

/* Campaign days that this process has written to Redis, or is to write. */
struct day_list {
	struct campaign_day *days;
	uint32_t n, cap;
};

struct counter {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	int32_t partitions;
	struct metrics *metrics;
	struct health *health;

	/* owned by the counter thread */
	struct live_counters *redis;
	struct pg *pg;
	struct shard *shards;
	struct day_list known;	   /* written since the last resync: what a sweep looks at */
	struct day_list missing;   /* to be written from a snapshot */
	struct campaign_day *sent; /* shares in the pipeline whose outcome is not known yet */
	uint32_t n_sent;
	bool evicting;
	uint64_t retry_at_ns, check_at_ns, sweep_at_ns, info_at_ns;
	uint32_t sweep_from;
};

static void add_day(struct day_list *list, const struct campaign_day *day)
{
	if (list->n == list->cap) {
		list->cap = list->cap == 0 ? 64 : list->cap * 2;
		list->days = xrealloc(list->days, list->cap * sizeof(*list->days));
	}
	list->days[list->n++] = *day;
}

static void lose_step(struct counter *c)
{
	for (int32_t s = 0; s < c->partitions; s++)
		c->shards[s].in_step = c->shards[s].touched = false;
	c->n_sent = 0;
	c->missing.n = 0;
}

static void note_redis(struct counter *c, bool up)
{
	atomic_store_explicit(&c->health->redis, up, memory_order_relaxed);
	metrics_set(c->metrics, M_REDIS_UP, up);
}

/* Take the outcomes of the shares in the pipeline; misses are noted. */
static enum err take_outcomes(struct counter *c)
{
	enum err e = ERR_OK;
	for (uint32_t i = 0; i < c->n_sent && e == ERR_OK; i++) {
		enum share_outcome outcome;
		e = live_counters_outcome(c->redis, &outcome);
		if (e != ERR_OK)
			break;
		metrics_add(c->metrics, outcome == SHARE_MISS ? M_COUNTER_MISSES : M_COUNTER_WRITES,
			    1);
		if (outcome == SHARE_MISS)
			add_day(&c->missing, &c->sent[i]);
	}
	c->n_sent = 0;
	return e;
}

static void on_shares(struct counter *c, const struct msg_shares *m)
{
	struct shard *s = &c->shards[m->shard];
	if (!s->ours || m->version <= s->seen)
		return;
	if (s->in_step && m->version != s->seen + 1)
		s->in_step = false; /* see chain_note */
	if (!s->in_step || live_counters_ready(c->redis) != ERR_OK) {
		s->in_step = s->touched = false;
		return;
	}
	for (uint32_t i = 0; i < m->n; i++) {
		if (c->n_sent == SHARES_PER_TURN && take_outcomes(c) != ERR_OK) {
			lose_step(c);
			return;
		}
		live_counters_append_share(c->redis, m->shard, m->version, &m->shares[i]);
		c->sent[c->n_sent++] =
			(struct campaign_day){m->shares[i].campaign_id, m->shares[i].day};
	}
	s->seen = m->version;
	s->touched = true;
}

/* See silence_note. */
static void on_versions(struct counter *c, const struct msg_versions *m)
{
	const uint64_t now = clock_mono_ns();
	ASSERT(m->n == (uint32_t)c->partitions);
	for (int32_t i = 0; i < c->partitions; i++) {
		struct shard *s = &c->shards[i];
		if (!s->ours || !s->in_step || m->versions[i] <= s->seen) {
			s->stalled_since_ns = 0;
		} else if (s->stalled_since_ns == 0 || s->stalled_at != s->seen) {
			s->stalled_since_ns = now;
			s->stalled_at = s->seen;
		} else if (now - s->stalled_since_ns > STALL_NS) {
			s->in_step = s->touched = false;
		}
	}
}

static void on_msg(void *self, struct msg *m)
{
	struct counter *c = self;
	if (m->kind == MSG_SHARES) {
		on_shares(c, &m->shares);
	} else if (m->kind == MSG_VERSIONS) {
		on_versions(c, &m->versions);
	} else if (m->kind == MSG_CLAIMED) {
		c->shards[m->claimed.partition] =
			(struct shard){.ours = true, .seen = -1, .published = -1};
	} else if (m->kind == MSG_REVOKED) {
		c->shards[m->revoked.partition] = (struct shard){.ours = false};
	} else {
		ASSERT(m->kind == MSG_REBUILD);
		const struct campaign_day day = {m->rebuild.campaign_id, m->rebuild.day};
		add_day(&c->missing, &day);
	}
	msg_free(m);
}

static int compare_days(const void *a, const void *b)
{
	const struct campaign_day *x = a, *y = b;
	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return uuid_compare(&x->campaign_id, &y->campaign_id);
}

/* Sort the list and take out repetitions and days whose keys would have expired. */
static void tidy_days(struct day_list *list)
{
	const int32_t first = day_of_ms(clock_wall_ms()) - 1;
	uint32_t kept = 0;
	if (list->n > 1)
		qsort(list->days, list->n, sizeof(*list->days), compare_days);
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->days[i].day >= first &&
		    (kept == 0 || compare_days(&list->days[i], &list->days[kept - 1]) != 0))
			list->days[kept++] = list->days[i];
	}
	list->n = kept;
}

static void append_snapshot(void *context, const struct campaign_day *day,
			    const struct snapshot_share *shares, uint32_t n)
{
	struct counter *c = context;
	live_counters_append_day(c->redis, day, shares, n);
	c->n_sent++;
	add_day(&c->known, day);
	metrics_add(c->metrics, M_COUNTER_REBUILDS, 1);
}

/* Write some days from one snapshot; those for which it was too old are added to @stale. */
static enum err load_chunk(struct counter *c, const struct campaign_day *days, uint32_t n,
			   struct day_list *stale)
{
	const uint32_t first = c->known.n;
	c->n_sent = 0;
	enum err e = days_shares(c->pg, days, n, append_snapshot, c);
	for (uint32_t i = 0; e == ERR_OK && i < c->n_sent; i++) {
		enum share_outcome outcome;
		e = live_counters_outcome(c->redis, &outcome);
		if (e == ERR_OK && outcome == SHARE_MISS)
			add_day(stale, &c->known.days[first + i]);
	}
	c->n_sent = 0;
	return e;
}

/* Write days from PostgreSQL to Redis. Where another process published in between, again, in
 * smaller chunks. */
static enum err load_days(struct counter *c, const struct day_list *list)
{
	struct day_list todo = {0}, stale = {0};
	uint32_t chunk = LOAD_DAYS;
	enum err e = pg_ready(c->pg);
	for (uint32_t i = 0; i < list->n; i++)
		add_day(&todo, &list->days[i]);
	for (int tries = 0; e == ERR_OK && todo.n > 0; tries++) {
		if (tries == LOAD_TRIES)
			e = ERR_RETRY;
		for (uint32_t at = 0; e == ERR_OK && at < todo.n; at += chunk)
			e = load_chunk(c, todo.days + at, todo.n - at < chunk ? todo.n - at : chunk,
				       &stale);
		const struct day_list done = todo;
		todo = stale;
		stale = done;
		stale.n = 0;
		chunk = chunk > 4 ? chunk / 4 : 1;
	}
	free(todo.days);
	free(stale.days);
	return e;
}

static enum err load_missing(struct counter *c)
{
	if (c->missing.n == 0)
		return ERR_OK;
	tidy_days(&c->missing);
	const enum err e = load_days(c, &c->missing);
	c->missing.n = 0;
	tidy_days(&c->known);
	return e;
}

/* Tell Redis how far a shard is; @before as in live_counters_publish. ERR_RETRY: it had forgotten.
 */
static enum err publish(struct counter *c, int32_t shard, int64_t before, int64_t version)
{
	enum publish_outcome outcome;
	const enum err e = live_counters_publish(c->redis, shard, before, version, &outcome);
	if (e == ERR_OK && outcome == PUBLISH_LOST)
		return ERR_RETRY;
	return e;
}

/* Publish the shards that this turn moved. */
static enum err publish_touched(struct counter *c)
{
	for (int32_t i = 0; i < c->partitions; i++) {
		struct shard *s = &c->shards[i];
		if (!s->ours || !s->in_step || !s->touched)
			continue;
		const enum err e = publish(c, i, s->published, s->seen);
		if (e != ERR_OK)
			return e;
		s->published = s->seen;
		s->touched = false;
	}
	return ERR_OK;
}

static bool needs_resync(const struct counter *c)
{
	for (int32_t i = 0; i < c->partitions; i++) {
		if (c->shards[i].ours && !c->shards[i].in_step)
			return true;
	}
	return false;
}

static enum err publish_all(struct counter *c, const struct shard_versions *v)
{
	for (int32_t i = 0; i < c->partitions; i++) {
		struct shard *s = &c->shards[i];
		const int64_t version = v->versions[i];
		if (!s->ours || version < 0)
			continue;
		const enum err e = publish(c, i, -1, version);
		if (e != ERR_OK)
			return e;
		*s = (struct shard){
			.ours = true, .in_step = true, .seen = version, .published = version};
	}
	return ERR_OK;
}

/* See chain_note. */
static enum err resync(struct counter *c)
{
	const int32_t today = day_of_ms(clock_wall_ms());
	struct shard_versions v = {0};
	struct day_list live = {0};
	enum err e = live_counters_mark(c->redis);
	if (e == ERR_OK)
		e = pg_ready(c->pg);
	if (e == ERR_OK)
		e = days_versions(c->pg, (uint32_t)c->partitions, &v);
	if (e == ERR_OK)
		e = days_live(c->pg, today - 1, today + 1, &live.days, &live.n);
	if (e == ERR_OK) {
		c->known.n = 0;
		e = load_days(c, &live);
	}
	if (e == ERR_OK)
		e = publish_all(c, &v);
	if (e == ERR_OK) {
		metrics_add(c->metrics, M_COUNTER_RESYNCS, 1);
		log_info("counter", "live counters written from PostgreSQL| campaign_days=%u",
			 live.n);
	}
	free(v.versions);
	free(live.days);
	return e;
}

/* Does Redis still hold what was published? An old snapshot or an emptied Redis shows here, traffic
 * or not. */
static enum err check_published(struct counter *c)
{
	int64_t *versions = xcalloc((size_t)c->partitions, sizeof(*versions));
	enum err e = live_counters_read(c->redis, versions, (uint32_t)c->partitions, NULL, 0);
	for (int32_t i = 0; e == ERR_OK && i < c->partitions; i++) {
		if (c->shards[i].ours && c->shards[i].in_step &&
		    versions[i] < c->shards[i].published)
			e = ERR_RETRY;
	}
	free(versions);
	return e;
}

/* Look for days of which keys have gone, a part of the known ones at a time. */
static enum err sweep(struct counter *c)
{
	if (c->sweep_from >= c->known.n)
		c->sweep_from = 0;
	const uint32_t left = c->known.n - c->sweep_from;
	const uint32_t n = left < SWEEP_DAYS ? left : SWEEP_DAYS;
	const struct campaign_day *days = c->known.days + c->sweep_from;
	const int32_t first = day_of_ms(clock_wall_ms()) - 1;
	bool *whole = xcalloc((size_t)n + 1, sizeof(*whole));
	const enum err e = n > 0 ? live_counters_check(c->redis, days, n, whole) : ERR_OK;
	for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
		if (!whole[i] && days[i].day >= first)
			add_day(&c->missing, &days[i]);
	}
	c->sweep_from += n;
	free(whole);
	return e;
}

static enum err read_info(struct counter *c)
{
	struct redis_info info;
	const enum err e = live_counters_info(c->redis, &info);
	if (e != ERR_OK)
		return e;
	metrics_set(c->metrics, M_REDIS_MEMORY, info.used_memory);
	metrics_set(c->metrics, M_REDIS_EVICTED, info.evicted_keys);
	metrics_set(c->metrics, M_REDIS_EVICTING, info.evicting);
	if (info.evicting && !c->evicting)
		log_warn("redis",
			 "maxmemory-policy may evict live counters; answers stay right but come "
			 "from PostgreSQL. "
			 "Set it to noeviction| policy=%s",
			 info.policy);
	c->evicting = info.evicting;
	return ERR_OK;
}

static bool is_due(uint64_t *at_ns, uint64_t interval_ns, uint64_t now)
{
	if (now < *at_ns)
		return false;
	*at_ns = now + interval_ns;
	return true;
}

static enum err keep_up(struct counter *c, uint64_t now)
{
	enum err e = take_outcomes(c);
	if (e == ERR_OK)
		e = load_missing(c);
	if (e == ERR_OK)
		e = publish_touched(c);
	if (e == ERR_OK && is_due(&c->check_at_ns, CHECK_NS, now))
		e = check_published(c);
	if (e == ERR_OK && is_due(&c->sweep_at_ns, SWEEP_NS, now))
		e = sweep(c);
	if (e == ERR_OK && is_due(&c->info_at_ns, INFO_NS, now))
		e = read_info(c);
	return e;
}

static uint64_t on_idle(void *self)
{
	struct counter *c = self;
	const uint64_t now = clock_mono_ns();
	if (now < c->retry_at_ns)
		return c->retry_at_ns - now;
	enum err e = live_counters_ready(c->redis);
	note_redis(c, e == ERR_OK);
	if (e == ERR_OK)
		e = keep_up(c, now);
	if (e == ERR_OK && needs_resync(c))
		e = resync(c);
	if (e == ERR_OK)
		return IDLE_NS;
	lose_step(c);
	if (e == ERR_RETRY)
		return 0; /* Redis answers, but had forgotten: resync at once */
	/* Replies that were not taken must not answer later commands. */
	live_counters_drop(c->redis);
	c->retry_at_ns = now + RETRY_NS;
	return RETRY_NS;
}

static void fini(void *self)
{
	struct counter *c = self;
	if (live_counters_ready(c->redis) == ERR_OK)
		(void)keep_up(c, 0);
	live_counters_free(c->redis);
	pg_free(c->pg);
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct counter *counter_start(const struct config *cfg, int32_t partitions,
			      const struct uuid *deployment, struct mailbox *mb,
			      struct metrics_set *metrics, struct health *health)
{
	const struct pg_options options = {
		.role = "counter", .session = SQL_NONE, .timeout_ms = 10000};
	struct counter *c = xcalloc(1, sizeof(*c));
	c->cfg = cfg;
	c->partitions = partitions;
	c->metrics = metrics_block_new(metrics);
	c->health = health;
	c->redis = live_counters_new(cfg, c->metrics, "counter", REDIS_TIMEOUT_MS, deployment);
	c->pg = pg_new(cfg, c->metrics, &options);
	c->shards = xcalloc((size_t)partitions, sizeof(*c->shards));
	c->sent = xcalloc(SHARES_PER_TURN, sizeof(*c->sent));
	actor_start(&c->actor, &ops, "counter", c, mb);
	return c;
}

void counter_stop(struct counter *c)
{
	if (c == NULL)
		return;
	actor_stop(&c->actor);
	free(c->shards);
	free(c->known.days);
	free(c->missing.days);
	free(c->sent);
	free(c);
}
