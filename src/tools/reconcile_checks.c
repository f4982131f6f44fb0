/*
 * Running the checks and printing their lines.
 *
 * Runs on main, in the tool reconcile.
 */
#include "tools/reconcile_checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/topic.h"
#include "store/kafka_ends.h"

#define SHOWN 5 /* differences in detail, of each check */
#define LIVE_TIMEOUT_MS 30000
#define KAFKA_TIMEOUT_MS 5000

/* By enum recount_table: what is counted there. */
static const char *const units[RECOUNT_TABLES] = {
	[RECOUNT_ATTRIBUTION] = "conversions",
	[RECOUNT_CLICK_BUCKETS] = "cells",
	[RECOUNT_CONVERSION_BUCKETS] = "cells",
	[RECOUNT_DAY_SHARES] = "shares",
	[RECOUNT_JOURNALS] = "days",
	[RECOUNT_QUARTERS] = "packed days",
	[RECOUNT_STATISTICS] = "weeks and months",
};

void reconcile_result_release(struct reconcile_result *result)
{
	free(result->live_days);
	*result = (struct reconcile_result){0};
}

int64_t reconcile_differences(const struct reconcile_result *result)
{
	return result->counts + result->attributions + result->sums + result->journals +
	       result->live;
}

bool reconcile_open(struct reconcile *r)
{
	const struct pg_options recount = {.role = "reconcile",
					   .session = RECOUNT_SESSION,
					   .more = SQL_paths_session,
					   .timeout_ms = RECOUNT_TIMEOUT_MS,
					   .lock_timeout_ms = 30000};
	const struct pg_options live = {.role = "reconcile live",
					.session = SQL_journal_session,
					.timeout_ms = LIVE_TIMEOUT_MS};
	migrate_check_schema(r->cfg, r->metrics, &r->deployment);
	r->pg = pg_new(r->cfg, r->metrics, &recount);
	r->live_pg = pg_new(r->cfg, r->metrics, &live);
	r->live = live_check_new(r->cfg, r->metrics, r->live_pg, r->deployment.partitions,
				 &r->deployment.id);
	return pg_ready(r->pg) == ERR_OK && pg_ready(r->live_pg) == ERR_OK;
}

void reconcile_close(struct reconcile *r)
{
	live_check_free(r->live);
	pg_free(r->pg);
	pg_free(r->live_pg);
}

static void print_lines(const struct buf *b, const char *indent)
{
	for (const char *at = b->data; at != NULL && *at != '\0';) {
		const size_t len = strcspn(at, "\n");
		printf("%s%.*s\n", indent, (int)len, at);
		at += len + (at[len] == '\n');
	}
}

static void print_finding(const char *name, const char *unit, const struct finding *f)
{
	printf("%-8s %-20s %" PRId64 " %s, %" PRId64 " differ", f->differ > 0 ? "DIFFERS" : "ok",
	       name, f->compared, unit, f->differ);
	if (f->pending > 0)
		printf(", %" PRId64 " pending", f->pending);
	printf("\n");
	print_lines(&f->details, "           ");
	print_lines(&f->notes, "         note: ");
}

static void say(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "reconcile: %s\n", what);
}

static void judge_identity(const struct fence_count *c, const char *topic, struct finding *f)
{
	const int64_t read = c->high_offset - c->first_offset;
	const int64_t sum = c->stored + c->duplicate + c->dead_lettered + c->gaps;
	f->compared++;
	if (read != sum || c->next_offset > c->high_offset) {
		f->differ++;
		if (f->differ <= SHOWN)
			buf_addf(&f->details,
				 "partition %d of %s: offsets %" PRId64 " to %" PRId64
				 " were read, %" PRId64 " messages, and %" PRId64
				 " became of them: stored %" PRId64 ", duplicate %" PRId64
				 ", dead_lettered %" PRId64 ", gaps %" PRId64 "\n",
				 c->partition, topic, c->first_offset, c->high_offset, read, sum,
				 c->stored, c->duplicate, c->dead_lettered, c->gaps);
	} else if (c->next_offset < c->high_offset) {
		f->pending += c->high_offset - c->next_offset;
	}
}

/* Rows against a count; what was read again may have been stored again, and counts as reread. The
 * rows beyond that. */
static int64_t judge_rows(const struct fence_count *c, const char *topic, const char *what,
			  int64_t rows, int64_t counted, struct finding *f)
{
	f->compared += rows;
	if (rows < counted) {
		if (f->differ == 0)
			buf_addf(&f->details,
				 "partition %d of %s: %" PRId64 " %s were kept by count, %" PRId64
				 " rows are there\n",
				 c->partition, topic, counted, what, rows);
		f->differ += counted - rows;
	}
	return rows > counted + c->reread ? rows - counted - c->reread : 0;
}

/* What Kafka has beyond what was read. */
static void print_pending(const struct reconcile *r, const struct fence_count *counts, int n)
{
	char error[KAFKA_ENDS_ERROR_MAX];
	const int32_t partitions = r->deployment.partitions;
	int64_t *ends[EVENT_KINDS], pending[EVENT_KINDS] = {0};
	int outside = 0;
	say("asking Kafka where the topics end");
	for (int k = 0; k < EVENT_KINDS; k++)
		ends[k] = xcalloc((size_t)partitions, sizeof(*ends[k]));
	const bool ok = kafka_end_offsets(r->cfg, partitions, KAFKA_TIMEOUT_MS, ends, error);
	for (int k = 0; ok && k < EVENT_KINDS; k++) {
		for (int32_t p = 0; p < partitions; p++)
			pending[k] += ends[k][p];
	}
	for (int i = 0; ok && i < n; i++) {
		const struct fence_count *c = &counts[i];
		if (c->partition >= partitions || c->next_offset < 0)
			continue;
		outside += c->next_offset > ends[c->topic][c->partition];
		pending[c->topic] -= c->next_offset;
	}
	if (ok)
		printf("%-8s %-20s %" PRId64 " clicks, %" PRId64 " conversions and %" PRId64
		       " adjustments pending\n",
		       outside > 0 ? "look" : "ok", "kafka", pending[EVENT_CLICK],
		       pending[EVENT_CONVERSION], pending[EVENT_ADJUSTMENT]);
	else
		printf("%-8s %-20s it does not answer: %s\n", "skipped", "kafka", error);
	if (outside > 0)
		printf("         note: %d partitions end before what was read: is it another "
		       "log?\n",
		       outside);
	for (int k = 0; k < EVENT_KINDS; k++)
		free(ends[k]);
}

static void judge_fences(const struct reconcile *r, const struct fence_count *counts, int n,
			 const char *const topics[EVENT_KINDS], struct reconcile_result *out)
{
	struct finding fences = FINDING_INIT, events = FINDING_INIT, letters = FINDING_INIT;
	int64_t more = 0;
	for (int i = 0; i < n; i++) {
		const struct fence_count *c = &counts[i];
		judge_identity(c, topics[c->topic], &fences);
		more += judge_rows(c, topics[c->topic], "events", c->events, c->stored, &events);
		(void)judge_rows(c, topics[c->topic], "dead letters", c->letters, c->dead_lettered,
				 &letters);
	}
	if (more > 0)
		buf_addf(&events.notes,
			 "%" PRId64 " more than were counted: from before the counts began, or not "
			 "from Kafka\n",
			 more);
	if (fences.pending > 0)
		buf_adds(&fences.notes, "pending are messages that are being read again\n");
	print_finding("fences", "partitions of topics", &fences);
	if (r->range.is_whole)
		print_finding("stored events", "rows", &events);
	else
		printf("%-8s %-20s only some days are looked at\n", "skipped", "stored events");
	print_finding("dead letters", "rows", &letters);
	out->counts = fences.differ + letters.differ + (r->range.is_whole ? events.differ : 0);
	finding_release(&fences);
	finding_release(&events);
	finding_release(&letters);
}

static enum err check_fences(const struct reconcile *r, struct reconcile_result *out,
			     struct fence_count **counts, int *n)
{
	const char *topics[EVENT_KINDS];
	for (int k = 0; k < EVENT_KINDS; k++)
		topics[k] = topic_name(r->cfg, (enum event_kind)k);
	const enum err e = recount_fences(r->pg, topics, counts, n);
	if (e == ERR_OK)
		judge_fences(r, *counts, *n, topics, out);
	return e;
}

static enum err check_tables(const struct reconcile *r, struct reconcile_result *out)
{
	enum err e = ERR_OK;
	int64_t *const sums[RECOUNT_TABLES] = {
		[RECOUNT_ATTRIBUTION] = &out->attributions, [RECOUNT_CLICK_BUCKETS] = &out->sums,
		[RECOUNT_CONVERSION_BUCKETS] = &out->sums,  [RECOUNT_DAY_SHARES] = &out->sums,
		[RECOUNT_JOURNALS] = &out->journals,	    [RECOUNT_QUARTERS] = &out->journals,
		[RECOUNT_STATISTICS] = &out->journals,
	};
	for (int t = 0; e == ERR_OK && t < RECOUNT_TABLES; t++) {
		const char *name = recount_table_name((enum recount_table)t);
		struct finding f = FINDING_INIT;
		fprintf(stderr, "reconcile: comparing %s\n", name);
		e = recount_compare(r->pg, (enum recount_table)t, &r->range, SHOWN, &f);
		if (e == ERR_OK)
			print_finding(name, units[t], &f);
		*sums[t] += f.differ;
		finding_release(&f);
		fflush(stdout);
	}
	return e;
}

static enum err recount_all(const struct reconcile *r)
{
	int64_t buckets;
	enum err e = recount_begin(r->pg);
	say("recounting clicks");
	if (e == ERR_OK)
		e = recount_events(r->pg, EVENT_CLICK, &r->range, &buckets);
	say("recounting conversions");
	if (e == ERR_OK)
		e = recount_events(r->pg, EVENT_CONVERSION, &r->range, &buckets);
	return e == ERR_OK ? recount_days(r->pg) : e;
}

static enum err check_live(struct reconcile *r, struct reconcile_result *out)
{
	struct finding f = FINDING_INIT;
	say("comparing redis");
	enum err e = pg_ready(r->live_pg);
	if (e != ERR_OK)
		return e;
	e = live_check_compare(r->live, r->first_day, r->last_day, SHOWN, &f, &out->live_days,
			       &out->n_live_days);
	if (e == ERR_OK)
		print_finding("redis", "campaign days", &f);
	else
		printf("%-8s %-20s it cannot be read: %s\n", "skipped", "redis", err_text(e));
	out->live = e == ERR_OK ? f.differ : 0;
	finding_release(&f);
	return ERR_OK;
}

enum err reconcile_check(struct reconcile *r, struct reconcile_result *out)
{
	struct fence_count *counts = NULL;
	int n = 0;
	*out = (struct reconcile_result){0};
	enum err e = pg_ready(r->pg);
	if (e == ERR_OK)
		e = recount_all(r);
	if (e == ERR_OK)
		e = check_fences(r, out, &counts, &n);
	if (e == ERR_OK)
		e = check_tables(r, out);
	if (e == ERR_OK)
		e = recount_end(r->pg);
	else
		pg_rollback(r->pg);
	if (e == ERR_OK)
		print_pending(r, counts, n);
	if (e == ERR_OK)
		e = check_live(r, out);
	free(counts);
	fflush(stdout);
	return e;
}
