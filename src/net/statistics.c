/*
 * Answering a statistics request.
 *
 * Runs on CivetWeb's workers, which wait here for the live and query actors.
 *
 * tag_note: late events change days that are long closed, so nothing is for ever: an answer over
 * closed days alone has an entity tag of its text, and must be asked for again, which costs 304.
 * While a day is open the answer says when it was read, so no two are the same, and has no tag.
 */
#include "net/statistics.h"

#include <civetweb.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net/gather.h"
#include "net/response.h"
#include "net/wish.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/hash.h"

#define TAG_TEXT_MAX 40

static const char *const source_words[SOURCES] = {
	[SOURCE_CACHE] = "cache",
	[SOURCE_REDIS] = "redis",
	[SOURCE_POSTGRES] = "postgres",
};

struct serving {
	struct request *r;
	struct statistics_wish wish;
	size_t body_at;	  /* where the body begins in the worker's answer */
	size_t rows_at;	  /* where its rows begin, in JSON; 0: it was not begun */
	unsigned sources; /* bits by enum gather_source */
	bool degraded;
};

/* --- who answers --- */

/* The sums of a span's days; @at moves back through the days, whose spans come newest first. */
static void fold(const struct gathered *g, const struct span *span, size_t *at,
		 struct report_sums *sums)
{
	while (*at > 0 && g->days[*at - 1].day >= span->end)
		(*at)--;
	for (; *at > 0 && g->days[*at - 1].day >= span->first; (*at)--)
		report_add_totals(sums, &g->days[*at - 1].totals);
}

/* Periods of days that came as rows are not folded. */
static void fold_all(struct report *rep, const struct gathered *g)
{
	size_t now = g->n;
	size_t before = now;
	for (uint32_t i = 0; i < rep->periods.n; i++) {
		if (rep->periods.items[i].now.first <= g->rows_through)
			break;
		struct report_row *row = report_add(rep, i, NULL);
		ASSERT(row != NULL);
		fold(g, &rep->periods.items[i].now, &now, &row->now);
		if (rep->question.previous)
			fold(g, &rep->periods.items[i].before, &before, &row->before);
	}
	ASSERT(report_finish(rep));
}

/* Is each row a day, written as the history cache writes it? */
static bool is_of_days(const struct statistics_wish *wish)
{
	const struct report_question *q = &wish->report->question;
	return wish->format == FORMAT_JSON && wish->metrics == MEASURES_ALL &&
	       q->group_by == GROUP_DAILY && !q->previous && !q->zero_fill;
}

static void add_campaign(struct buf *out, const struct uuid *id)
{
	static const struct uuid nil;
	char text[UUID_TEXT_LEN + 1];
	uuid_format(id, text);
	buf_addf(out, "\"%s\"", uuid_is_equal(id, &nil) ? "none" : text);
}

/* What the answer is about: as the reference's. */
static void add_head(const struct report_question *q, struct buf *out)
{
	buf_adds(out, q->n_campaigns == 1 ? "{\"campaign_id\":" : "{\"campaign_ids\":[");
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		buf_adds(out, i == 0 ? "" : ",");
		add_campaign(out, &q->campaigns[i]);
	}
	buf_addf(out, "%s,\"group_by\":\"%s\",\"data\":[", q->n_campaigns == 1 ? "" : "]",
		 group_by_word(q->group_by));
}

static struct buf *begin(struct serving *s)
{
	struct buf *out = response_begin(s->r);
	s->body_at = out->len;
	return out;
}

/* Up to the rows, so that those of the cache are copied to where they are sent from. */
static struct buf *begin_json(struct serving *s)
{
	struct buf *out = begin(s);
	add_head(&s->wish.report->question, out);
	s->rows_at = out->len;
	return out;
}

/* From days that the caches may have. */
static void answer_plain(struct serving *s)
{
	struct report *rep = s->wish.report;
	const struct report_question *q = &rep->question;
	struct gathered g;
	struct buf *rows = is_of_days(&s->wish) ? begin_json(s) : NULL;
	periods_of_days(q->group_by, q->from, q->to, q->has_cursor ? &q->cursor : NULL, q->limit,
			&rep->periods);
	const uint32_t n = rep->periods.n;
	const int32_t to = n > 0 ? rep->periods.items[0].now.end - 1 : q->from;
	int32_t from = n > 0 ? rep->periods.items[n - 1].now.first : q->from;
	if (n > 0 && q->previous)
		from = rep->periods.items[n - 1].before.first;
	static const enum report_status statuses[] = {
		[GATHER_OK] = REPORT_OK,
		[GATHER_NO_CAMPAIGN] = REPORT_NO_CAMPAIGN,
		[GATHER_FAILED] = REPORT_FAILED,
	};
	rep->status = statuses[gather_days(s->r, &q->campaigns[0], from, to, rows, &g)];
	if (rep->status == REPORT_OK)
		fold_all(rep, &g);
	rep->as_of_ns = g.as_of_ns;
	rep->closed_through = g.closed_through;
	s->sources = g.sources;
	s->degraded = g.degraded;
	free(g.days);
}

/* From the buckets, by a query actor. What does not come back in time is the actor's to free. */
static void answer_report(struct serving *s)
{
	struct worker *w = s->r->w;
	struct msg *m = msg_new(MSG_REPORT, 0);
	m->report.report = s->wish.report;
	s->wish.report = NULL;
	s->sources = 1u << SOURCE_POSTGRES;
	metrics_add(w->metrics, M_STATS_POSTGRES, 1);
	struct msg *answer = worker_ask_query(w, &m, 0);
	if (answer != NULL) {
		s->wish.report = answer->report.report;
		answer->report.report = NULL;
	}
	msg_free(answer);
}

/* --- the answer --- */

static bool all_closed(const struct report *rep)
{
	const struct periods *p = &rep->periods;
	return p->n == 0 ||
	       p->items[0].now.high_s <= ((int64_t)rep->closed_through + 1) * (MS_PER_DAY / 1000);
}

static void add_as_of(const struct serving *s, struct buf *out)
{
	const struct request *r = s->r;
	const int64_t age_ns = (int64_t)(s->wish.report->as_of_ns - r->start_ns);
	char text[RFC3339_TEXT_LEN];
	datetime_write(r->now_ms + age_ns / (int64_t)NS_PER_MS, text);
	buf_add(out, text, sizeof(text));
}

static void add_sources(const struct serving *s, const char *quote, struct buf *out)
{
	bool first = true;
	for (int i = 0; i < SOURCES; i++) {
		if ((s->sources >> i & 1) == 0)
			continue;
		buf_addf(out, "%s%s%s%s", first ? "" : ",", quote, source_words[i], quote);
		first = false;
	}
}

/* What the reference's does not say, behind its fields. */
static void add_tail(const struct serving *s, struct buf *out)
{
	const struct report *rep = s->wish.report;
	const struct report_question *q = &rep->question;
	char from[DATE_TEXT_LEN + 1], to[DATE_TEXT_LEN + 1];
	date_format(q->from, from);
	date_format(q->to, to);
	buf_addf(out, "],\"from\":\"%s\",\"to\":\"%s\",\"tz\":\"%s\",\"models\":[", from, to,
		 q->zone);
	for (uint32_t m = 0; m < q->n_models; m++)
		buf_addf(out, "%s\"%s\"", m == 0 ? "" : ",", model_word(q->models[m]));
	buf_adds(out, "],\"live_as_of\":");
	if (all_closed(rep)) {
		buf_adds(out, "null");
	} else {
		buf_addc(out, '"');
		add_as_of(s, out);
		buf_addc(out, '"');
	}
	buf_adds(out, ",\"sources\":[");
	add_sources(s, "\"", out);
	buf_addf(out, "],\"degraded\":%s,\"next_cursor\":", s->degraded ? "true" : "false");
	if (rep->periods.more) {
		buf_addc(out, '"');
		statistics_cursor(q, &rep->periods, out);
		buf_addc(out, '"');
	} else {
		buf_adds(out, "null");
	}
	buf_addc(out, '}');
}

/* The same for the formats whose bodies are rows alone. */
static void add_tail_fields(const struct serving *s, struct buf *head)
{
	const struct report *rep = s->wish.report;
	if (!all_closed(rep)) {
		buf_adds(head, "Statistics-Live-As-Of: ");
		add_as_of(s, head);
		buf_adds(head, "\r\n");
	}
	buf_adds(head, "Statistics-Sources: ");
	add_sources(s, "", head);
	buf_addf(head, "\r\nStatistics-Degraded: %s\r\n", s->degraded ? "true" : "false");
	if (rep->periods.more) {
		buf_adds(head, "Statistics-Next-Cursor: ");
		statistics_cursor(&rep->question, &rep->periods, head);
		buf_adds(head, "\r\n");
	}
}

/* Does the client have this text already? */
static bool has_tag(const struct request *r, const char *tag)
{
	const char *have = mg_get_header(r->conn, "If-None-Match");
	return have != NULL && (strcmp(have, "*") == 0 || strstr(have, tag) != NULL);
}

static void send_answer(struct serving *s, const char *content_type, const char *body, size_t len,
			struct buf *head)
{
	buf_adds(head, "Cache-Control: no-cache\r\nVary: Accept\r\n");
	if (!all_closed(s->wish.report)) {
		response_send_more(s->r, 200, content_type, head->data);
		return;
	}
	char tag[TAG_TEXT_MAX];
	struct hash128 hash = hash128(body, len);
	(void)snprintf(tag, sizeof(tag), "\"%016" PRIx64 "%016" PRIx64 "\"", hash.high, hash.low);
	buf_addf(head, "ETag: %s\r\n", tag);
	response_send_more(s->r, has_tag(s->r, tag) ? 304 : 200, content_type, head->data);
}

/* Add the report's rows, which are the latest: before those of the cache. */
static void add_rows(const struct serving *s, struct buf *out)
{
	const struct report *rep = s->wish.report;
	if (out->len == s->rows_at) {
		table_add_json(out, rep, s->wish.metrics, ",", false);
		return;
	}
	struct buf latest = BUF_INIT;
	table_add_json(&latest, rep, s->wish.metrics, ",", false);
	if (latest.len > 0)
		buf_addc(&latest, ',');
	buf_insert(out, s->rows_at, latest.data, latest.len);
	buf_release(&latest);
}

static void answer(struct serving *s)
{
	const struct report *rep = s->wish.report;
	struct buf *out = &s->r->w->out;
	struct buf head = BUF_INIT;
	const char *content_type = "application/json";
	switch (s->wish.format) {
	case FORMAT_CSV:
		content_type = "text/csv; charset=utf-8; header=present";
		(void)begin(s);
		table_add_csv(out, rep, s->wish.metrics);
		add_tail_fields(s, &head);
		break;
	case FORMAT_NDJSON:
		content_type = "application/x-ndjson";
		(void)begin(s);
		table_add_json(out, rep, s->wish.metrics, "\n", true);
		add_tail_fields(s, &head);
		break;
	case FORMAT_JSON:
	case FORMATS:
		if (s->rows_at == 0)
			(void)begin_json(s);
		add_rows(s, out);
		add_tail(s, out);
		break;
	}
	send_answer(s, content_type, out->data + s->body_at, out->len - s->body_at, &head);
	buf_release(&head);
}

static void finish(struct serving *s)
{
	const struct report *rep = s->wish.report;
	switch (rep != NULL ? rep->status : REPORT_FAILED) {
	case REPORT_OK:
		answer(s);
		break;
	case REPORT_NO_CAMPAIGN:
		response_error(s->r, 404, "unknown_campaign", "campaign_id",
			       "no event of this campaign was seen");
		break;
	case REPORT_REFUSED:
		response_error(s->r, 400, "invalid_field", rep->field, "%s: %s", rep->field,
			       rep->problem);
		break;
	case REPORT_FAILED:
		response_error(s->r, 503, "unavailable", NULL, "the statistics cannot be read now");
		break;
	}
}

void statistics_serve(struct request *r)
{
	struct serving s = {.r = r};
	struct wish_error error;
	if (!statistics_wish_read(r->info->query_string, mg_get_header(r->conn, "Accept"),
				  r->now_ms, &s.wish, &error)) {
		response_refuse(r, error.code, error.field, error.message);
	} else {
		if (statistics_wish_is_plain(&s.wish.report->question))
			answer_plain(&s);
		else
			answer_report(&s);
		finish(&s);
	}
	report_free(s.wish.report);
}
