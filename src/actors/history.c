/*
 * The history actor.
 *
 * Runs on its own thread with a PostgreSQL connection of its own; registered with RCU, since it
 * reads the cache it writes.
 *
 * follow_note: a shard has one writer at a time and its transactions are serialised by the fence
 * row, so versions become visible in order: everything up to the version seen last has been
 * applied, nothing behind it is missing. A load reads journals and changes in one snapshot that is
 * younger than the last round; what is listed after that snapshot comes with a later round. Changes
 * are kept for an hour, so a follower that was cut off for longer than FORGET_NS forgets
 * everything.
 */
#include "actors/history.h"

#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "store/days.h"
#include "util/clock.h"
#include "util/log.h"

#define POLL_NS (100 * NS_PER_MS)
#define FORGET_NS (1800 * NS_PER_S)
#define LIVE_LANE 15
#define TIMEOUT_MS 2000

struct history {
	struct actor actor;

	/* set before start, then read-only */
	int32_t partitions;
	struct lane *live;
	struct history_cache *cache;
	struct metrics *metrics;
	struct health *health;

	/* owned by the history thread */
	struct pg *pg;
	struct shard_versions seen; /* versions == NULL before the first round */
	uint64_t seen_at_ns;	    /* when the last good round began */
	uint64_t poll_at_ns;
};

static void put_day(void *context, const struct uuid *campaign, const struct day_totals *day)
{
	struct history *h = context;
	history_set_day(h->cache, campaign, day);
}

static bool moved(const struct history *h, const struct shard_versions *now)
{
	return memcmp(h->seen.versions, now->versions, now->n * sizeof(*now->versions)) != 0;
}

/* Bring the cache from what was seen last to @now. */
static enum err catch_up(struct history *h, const struct shard_versions *now, uint64_t began_ns)
{
	enum err e = ERR_OK;
	if (h->seen.versions == NULL || began_ns - h->seen_at_ns > FORGET_NS) {
		history_clear(h->cache);
		return ERR_OK;
	}
	if (history_campaigns(h->cache) == 0)
		return ERR_OK; /* what is loaded later has it all */
	if (now->closed_through > h->seen.closed_through) {
		e = days_newly_closed(h->pg, h->seen.closed_through, now->closed_through, put_day,
				      h);
		if (e == ERR_OK)
			history_set_through(h->cache, now->closed_through);
	}
	if (e == ERR_OK && moved(h, now))
		e = days_changed(h->pg, &h->seen, put_day, h);
	return e;
}

static void tell_live(struct history *h)
{
	const uint32_t n = h->seen.n;
	struct msg *m = msg_new(MSG_VERSIONS, n * sizeof(int64_t));
	m->versions.as_of_ns = h->seen_at_ns;
	m->versions.n = n;
	m->versions.versions = (int64_t *)(void *)m->bytes;
	memcpy(m->versions.versions, h->seen.versions, n * sizeof(int64_t));
	(void)actor_send(h->live, m); /* full: it has newer ones to read, or the next round tells */
}

static enum err follow(struct history *h)
{
	const uint64_t began_ns = clock_mono_ns();
	struct shard_versions now = {0};
	enum err e = pg_ready(h->pg);
	if (e == ERR_OK)
		e = days_versions(h->pg, (uint32_t)h->partitions, &now);
	if (e == ERR_OK)
		e = catch_up(h, &now, began_ns);
	if (e != ERR_OK) {
		free(now.versions);
		return e;
	}
	free(h->seen.versions);
	h->seen = now;
	h->seen_at_ns = began_ns;
	history_set_as_of(h->cache, began_ns);
	tell_live(h);
	return ERR_OK;
}

static uint64_t on_idle(void *self)
{
	struct history *h = self;
	const uint64_t now = clock_mono_ns();
	if (now < h->poll_at_ns)
		return h->poll_at_ns - now;
	h->poll_at_ns = now + POLL_NS;
	const bool up = follow(h) == ERR_OK;
	atomic_store_explicit(&h->health->postgres, up, memory_order_relaxed);
	metrics_set(h->metrics, M_POSTGRES_UP, up);
	metrics_set(h->metrics, M_HISTORY_CAMPAIGNS, history_campaigns(h->cache));
	metrics_set(h->metrics, M_HISTORY_DAYS, history_days(h->cache));
	return POLL_NS;
}

/* A load needs a round before it: only then does following start behind the load's snapshot. */
static void load(struct history *h, const struct uuid *campaign)
{
	struct day_totals *days = NULL;
	uint32_t n = 0;
	int32_t through = 0;
	if (h->seen.versions == NULL || history_has(h->cache, campaign) ||
	    pg_ready(h->pg) != ERR_OK)
		return;
	if (days_history(h->pg, campaign, &days, &n, &through) == ERR_OK) {
		/* A day closed since the last round is seen again by the next one. */
		history_put(h->cache, campaign, days, n, through);
	}
	free(days);
}

static void on_msg(void *self, struct msg *m)
{
	struct history *h = self;
	ASSERT(m->kind == MSG_WARM);
	if (clock_mono_ns() >= h->poll_at_ns)
		(void)on_idle(h); /* many loads must not make the cache stale */
	load(h, &m->warm.campaign_id);
	msg_free(m);
}

static void init(void *self)
{
	(void)self;
	history_thread_start();
}

static void fini(void *self)
{
	struct history *h = self;
	pg_free(h->pg);
	free(h->seen.versions);
	history_thread_stop();
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct history *history_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
			      struct mailbox *live, struct history_cache *cache,
			      struct metrics_set *metrics, struct health *health)
{
	const struct pg_options options = {
		.role = "history", .session = SQL_NONE, .timeout_ms = TIMEOUT_MS};
	struct history *h = xcalloc(1, sizeof(*h));
	h->partitions = partitions;
	h->live = mailbox_lane_open(live, LIVE_LANE);
	h->cache = cache;
	h->metrics = metrics_block_new(metrics);
	h->health = health;
	h->pg = pg_new(cfg, h->metrics, &options);
	actor_start(&h->actor, &ops, "history", h, mb);
	return h;
}

void history_stop(struct history *h)
{
	if (h == NULL)
		return;
	actor_stop(&h->actor);
	free(h);
}
