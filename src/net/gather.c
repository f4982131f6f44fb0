/*
 * Gathering a campaign's days from the history cache, the live actor and PostgreSQL.
 *
 * Runs on CivetWeb's workers, which wait here for the live and query actors.
 *
 *      from ........ through | through+1 ........ to
 *      history cache (HIT)   | just today: recent reading, live actor, else PostgreSQL
 *
 * Where the cache does not know the campaign (and is then asked to learn it) or cannot vouch for
 * itself, PostgreSQL answers the whole range. A campaign in the cache is known to exist.
 */
#include "net/gather.h"

#include <stdlib.h>
#include <string.h>

#include "net/request.h"
#include "net/worker.h"
#include "util/clock.h"

#define LIVE_TIMEOUT_NS (300 * NS_PER_MS)

struct gathering {
	struct request *r;
	struct uuid campaign_id;
	int32_t from, to;
	struct buf *rows; /* NULL: days are wanted */
	struct gathered *out;
};

/* Room for @n more days. An answer that comes as rows needs it for today alone. */
static void reserve_days(struct gathering *g, size_t n)
{
	g->out->days = xrealloc(g->out->days, (g->out->n + n) * sizeof(*g->out->days));
}

/* A part as fresh as @as_of_ns was added. */
static void note_part(struct gathering *g, enum gather_source source, uint64_t as_of_ns)
{
	static const enum metric metrics[SOURCES] = {
		[SOURCE_CACHE] = M_STATS_CACHE,
		[SOURCE_REDIS] = M_STATS_REDIS,
		[SOURCE_POSTGRES] = M_STATS_POSTGRES,
	};
	g->out->sources |= 1u << source;
	if (as_of_ns < g->out->as_of_ns)
		g->out->as_of_ns = as_of_ns;
	metrics_add(g->r->w->metrics, metrics[source], 1);
}

/* Append the days of [@from, g->to] as PostgreSQL has them. */
static enum gather_result ask_postgres(struct gathering *g, int32_t from)
{
	struct worker *w = g->r->w;
	struct gathered *out = g->out;
	struct msg *m = msg_new(MSG_QUERY, 0);
	m->query.campaign_id = g->campaign_id;
	m->query.from = from;
	m->query.to = g->to;
	note_part(g, SOURCE_POSTGRES, clock_mono_ns());
	struct msg *answer = worker_ask_query(w, &m, 0);
	enum gather_result result = GATHER_FAILED;
	if (answer != NULL && answer->query.status == QUERY_NO_CAMPAIGN) {
		result = GATHER_NO_CAMPAIGN;
	} else if (answer != NULL && answer->query.status == QUERY_OK) {
		reserve_days(g, answer->query.n);
		if (answer->query.n > 0)
			memcpy(&out->days[out->n], answer->query.days,
			       answer->query.n * sizeof(*out->days));
		out->n += answer->query.n;
		out->closed_through = answer->query.closed_through;
		result = GATHER_OK;
	}
	msg_free(answer);
	return result;
}

static void add_live(struct gathering *g, int32_t today, const struct totals *totals,
		     uint64_t as_of_ns)
{
	reserve_days(g, 1);
	g->out->days[g->out->n++] = (struct day_totals){.day = today, .totals = *totals};
	note_part(g, SOURCE_REDIS, as_of_ns);
}

/* Append today from the live counters; false: they cannot tell. */
static bool ask_live(struct gathering *g, int32_t today)
{
	struct worker *w = g->r->w;
	struct recent_day recent;
	if (recent_days_get(w->deps->recent, &g->campaign_id, today, clock_mono_ns(), &recent)) {
		add_live(g, today, &recent.totals, recent.as_of_ns);
		return true;
	}
	struct msg *m = msg_new(MSG_LIVE, 0);
	m->live.campaign_id = g->campaign_id;
	m->live.day = today;
	struct msg *answer = worker_ask(w, LANE_LIVE, &m, clock_mono_ns() + LIVE_TIMEOUT_NS);
	const bool found = answer != NULL && answer->live.found;
	if (found)
		add_live(g, today, &answer->live.totals, answer->live.as_of_ns);
	g->out->degraded = answer == NULL || answer->live.down;
	msg_free(answer);
	return found;
}

static enum gather_result gather_uncached(struct gathering *g, bool warm)
{
	g->out->n = 0;
	const enum gather_result result = ask_postgres(g, g->from);
	if (warm && result == GATHER_OK) {
		struct msg *m = msg_new(MSG_WARM, 0);
		m->warm.campaign_id = g->campaign_id;
		(void)worker_tell(g->r->w, LANE_HISTORY, &m); /* the next reader asks again */
	}
	return result;
}

static enum history_result look_up(struct gathering *g, int32_t *through)
{
	struct history_cache *cache = g->r->w->deps->cache;
	struct gathered *out = g->out;
	if (g->rows == NULL) {
		reserve_days(g, (size_t)(g->to - g->from) + 1);
		return history_lookup(cache, &g->campaign_id, g->from, g->to, out->days, &out->n,
				      through);
	}
	const enum history_result result =
		history_rows(cache, &g->campaign_id, g->from, g->to, g->rows, through);
	if (result == HISTORY_HIT)
		out->rows_through = *through;
	return result;
}

static enum gather_result gather(struct gathering *g, int32_t today)
{
	struct gathered *out = g->out;
	int32_t through = 0;
	const uint64_t as_of_ns = history_as_of(g->r->w->deps->cache);
	const enum history_result cached = look_up(g, &through);
	if (cached != HISTORY_HIT)
		return gather_uncached(g, cached == HISTORY_MISS);
	out->closed_through = through;
	if (through >= g->from)
		note_part(g, SOURCE_CACHE, as_of_ns);
	if (through >= g->to)
		return GATHER_OK;
	const int32_t rest = through >= g->from ? through + 1 : g->from;
	if (rest == today && g->to == today && ask_live(g, today))
		return GATHER_OK;
	return ask_postgres(g, rest);
}

enum gather_result gather_days(struct request *r, const struct uuid *campaign, int32_t from,
			       int32_t to, struct buf *rows, struct gathered *out)
{
	struct gathering g = {
		.r = r, .campaign_id = *campaign, .from = from, .to = to, .rows = rows, .out = out};
	*out = (struct gathered){.as_of_ns = clock_mono_ns(),
				 .closed_through = INT32_MIN,
				 .rows_through = INT32_MIN};
	return gather(&g, day_of_ms(r->now_ms));
}
