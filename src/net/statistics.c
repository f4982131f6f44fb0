/*
 * Gathering a campaign's days from the history cache, the live actor and PostgreSQL, and writing
 * them.
 *
 * Runs on CivetWeb's workers, which wait here for the live and query actors.
 *
 *      from ........ through | through+1 ........ to
 *      history cache (HIT)   | just today: live actor, else PostgreSQL
 *
 * Where the cache does not know the campaign (and is then asked to learn it) or cannot vouch for
 * itself, PostgreSQL answers the whole range. A campaign in the cache is known to exist.
 */
#include "net/statistics.h"

#include <civetweb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/response.h"
#include "net/wish.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/money.h"

#define LIVE_TIMEOUT_NS (300 * NS_PER_MS)
#define QUERY_EXTRA_NS (500 * NS_PER_MS)

enum gather_result { GATHER_OK, GATHER_NO_CAMPAIGN, GATHER_FAILED };

struct gathering {
	struct request *r;
	struct statistics_wish wish;
	struct day_totals *days; /* room for the whole range */
	size_t n;
};

/* Append the days of [@from, wish.to] as PostgreSQL has them. */
static enum gather_result ask_postgres(struct gathering *g, int32_t from)
{
	struct worker *w = g->r->w;
	const uint64_t timeout_ns =
		(uint64_t)w->deps->cfg->query_timeout_ms * NS_PER_MS + QUERY_EXTRA_NS;
	const size_t room = (size_t)(g->wish.to - from) + 1;
	struct msg *m = msg_new(MSG_QUERY, 0);
	m->query.campaign_id = g->wish.campaign_id;
	m->query.from = from;
	m->query.to = g->wish.to;
	metrics_add(w->metrics, M_STATS_POSTGRES, 1);
	struct msg *answer = worker_ask(w, LANE_QUERY, &m, clock_mono_ns() + timeout_ns);
	enum gather_result result = GATHER_FAILED;
	if (answer != NULL && answer->query.status == QUERY_NO_CAMPAIGN) {
		result = GATHER_NO_CAMPAIGN;
	} else if (answer != NULL && answer->query.status == QUERY_OK) {
		ASSERT(answer->query.n <= room);
		if (answer->query.n > 0)
			memcpy(&g->days[g->n], answer->query.days,
			       answer->query.n * sizeof(*g->days));
		g->n += answer->query.n;
		result = GATHER_OK;
	}
	msg_free(answer);
	return result;
}

/* Append today from the live counters; false: they cannot tell. */
static bool ask_live(struct gathering *g, int32_t today)
{
	struct worker *w = g->r->w;
	struct msg *m = msg_new(MSG_LIVE, 0);
	m->live.campaign_id = g->wish.campaign_id;
	m->live.day = today;
	struct msg *answer = worker_ask(w, LANE_LIVE, &m, clock_mono_ns() + LIVE_TIMEOUT_NS);
	const bool found = answer != NULL && answer->live.found;
	if (found) {
		g->days[g->n++] = (struct day_totals){.day = today, .totals = answer->live.totals};
		metrics_add(w->metrics, M_STATS_REDIS, 1);
	}
	msg_free(answer);
	return found;
}

static enum gather_result gather_uncached(struct gathering *g, bool warm)
{
	g->n = 0;
	const enum gather_result result = ask_postgres(g, g->wish.from);
	if (warm && result == GATHER_OK) {
		struct msg *m = msg_new(MSG_WARM, 0);
		m->warm.campaign_id = g->wish.campaign_id;
		worker_tell(g->r->w, LANE_HISTORY, &m);
	}
	return result;
}

static enum gather_result gather(struct gathering *g, int32_t today)
{
	const struct statistics_wish *wish = &g->wish;
	struct worker *w = g->r->w;
	int32_t through = 0;
	const enum history_result cached = history_lookup(
		w->deps->cache, &wish->campaign_id, wish->from, wish->to, g->days, &g->n, &through);
	if (cached != HISTORY_HIT)
		return gather_uncached(g, cached == HISTORY_MISS);
	if (through >= wish->from)
		metrics_add(w->metrics, M_STATS_CACHE, 1);
	if (through >= wish->to)
		return GATHER_OK;
	const int32_t rest = through >= wish->from ? through + 1 : wish->from;
	if (rest == today && wish->to == today && ask_live(g, today))
		return GATHER_OK;
	return ask_postgres(g, rest);
}

static void add_money(struct buf *out, const char *key, __int128 minor)
{
	char text[MONEY_TEXT_MAX];
	(void)money_format(minor, text);
	buf_addf(out, ",\"%s\":\"%s\"", key, text);
}

static void add_period(struct buf *out, enum group_by group_by, const struct day_totals *d)
{
	const struct totals *t = &d->totals;
	char period[DATE_TEXT_LEN + 1];
	char rate[RATE_TEXT_MAX];
	date_format(d->day, period);
	if (group_by == GROUP_MONTHLY)
		period[strlen("YYYY-MM")] = '\0';
	rate_format(totals_conversion_rate(t), rate);
	buf_addf(out, "{\"period\":\"%s\",\"total_clicks\":%lld,\"total_conversions\":%lld", period,
		 (long long)t->clicks, (long long)t->conversions);
	add_money(out, "total_value", t->value_minor);
	buf_addf(out, ",\"conversion_rate\":%s,\"unattributed_conversions\":%lld", rate,
		 (long long)t->unattributed);
	add_money(out, "unattributed_value", t->unattributed_value_minor);
	buf_addc(out, '}');
}

static void answer(struct gathering *g)
{
	const enum group_by group_by = g->wish.group_by;
	struct buf *out = response_begin(g->r);
	buf_addc(out, '{');
	response_add_uuid(out, "campaign_id", &g->wish.campaign_id);
	buf_addf(out, ",\"group_by\":\"%s\",\"data\":[", group_by_word(group_by));
	const size_t n = totals_fold(group_by, g->days, g->n);
	for (size_t i = n; i > 0; i--) {
		if (i < n)
			buf_addc(out, ',');
		add_period(out, group_by, &g->days[i - 1]);
	}
	buf_adds(out, "]}");
	response_send(g->r, 200);
}

void rate_format(double rate, char out[RATE_TEXT_MAX])
{
	/* %g leaves zeros out, so fifteen digits show every shorter decimal as it is. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(out, RATE_TEXT_MAX, "%.*g", digits, rate);
		if (strtod(out, NULL) == rate)
			return;
	}
}

void statistics_serve(struct request *r)
{
	struct gathering g = {.r = r};
	struct wish_error error;
	const int32_t today = day_of_ms(r->now_ms);
	if (!statistics_wish_read(r->info->query_string, today, &g.wish, &error)) {
		response_error(r, 400, error.code, error.field, "%s%s%s", error.field,
			       error.field[0] == '\0' ? "" : ": ", error.message);
		return;
	}
	g.days = xcalloc((size_t)(g.wish.to - g.wish.from) + 1, sizeof(*g.days));
	switch (gather(&g, today)) {
	case GATHER_OK:
		answer(&g);
		break;
	case GATHER_NO_CAMPAIGN:
		response_error(r, 404, "unknown_campaign", "campaign_id",
			       "no event of this campaign was seen");
		break;
	case GATHER_FAILED:
		response_error(r, 503, "unavailable", NULL, "the statistics cannot be read now");
		break;
	}
	free(g.days);
}
