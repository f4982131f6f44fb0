/*
 * The booking transaction.
 *
 * Runs on a writer thread.
 *
 * unknown_note: a COMMIT whose answer did not come leaves the outcome open. Before anything else is
 * booked the fence row is read with FOR UPDATE on a new connection, which waits until the old
 * backend is gone: our version and offsets there mean committed. Nobody else can have written them,
 * since a claim raises the epoch.
 *
 * wary_note: full batches of clicks are stored by COPY (store/fresh.h), which cannot pass over
 * duplicates. A batch in which it meets one is booked anew with the insert that can, and so are the
 * batches that follow for some time: to try in vain costs more than COPY saves.
 */
#include "store/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/decode.h"
#include "domain/topic.h"
#include "store/campaigns.h"
#include "store/changes.h"
#include "store/fence.h"
#include "store/fresh.h"
#include "store/months.h"
#include "store/paths.h"
#include "store/staging.h"
#include "store/statement.h"
#include "util/datetime.h"
#include "util/log.h"
#include "util/uuid_set.h"

#define WRITER_TIMEOUT_MS 60000
#define FEW_CLICKS 200	/* so few clicks alone rarely have targets */
#define MANY_CLICKS 500 /* from here on COPY costs less than the insert */
#define WARY_BATCHES 50

struct ledger {
	/* set at start, then read-only */
	const struct config *cfg;
	struct metrics *metrics;

	/* owned by the writer thread */
	struct pg *pg;
	struct uuid_set campaigns; /* known to be registered */
	struct months months;	   /* partitions known to exist */
	struct staging staging;
	struct fresh fresh;
	uint32_t wary;	   /* for so many batches; see wary_note */
	bool is_fresh;	   /* the batch's clicks are stored by COPY */
	bool was_in_vain;  /* they were to be, and it was refused */
	int64_t latest_ms; /* event time of the shard's latest stored conversion */
	struct changes changes;
	struct paths paths;
	struct fence fence; /* the batch's, as it will be written back */
	bool in_doubt;	    /* see unknown_note; of this claim: */
	int32_t doubt_partition;
	int64_t doubt_epoch;
	char refusal[320]; /* SQLSTATE and message */
};

struct ledger *ledger_new(const struct config *cfg, struct metrics *metrics, const char *role)
{
	return ledger_new_in(cfg, metrics, role, NULL);
}

struct ledger *ledger_new_in(const struct config *cfg, struct metrics *metrics, const char *role,
			     const char *schema)
{
	const struct pg_options options = {
		.role = role,
		.session = SQL_writer_session,
		.more = SQL_paths_session,
		.schema = schema,
		.timeout_ms = WRITER_TIMEOUT_MS,
		.lock_timeout_ms = 10000,
		.quiet_refusals = true,
	};
	struct ledger *l = xcalloc(1, sizeof(*l));
	l->cfg = cfg;
	l->metrics = metrics;
	l->pg = pg_new(cfg, metrics, &options);
	return l;
}

void ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	pg_free(l->pg);
	uuid_set_release(&l->campaigns);
	staging_release(&l->staging);
	fresh_release(&l->fresh);
	changes_release(&l->changes);
	paths_release(&l->paths);
	free(l);
}

void ledger_batch_release(struct ledger_batch *b)
{
	free(b->shares);
	b->shares = NULL;
	b->shares_cap = b->n_shares = 0;
}

enum err ledger_adopt(struct ledger *l, int32_t partition, int64_t epoch, uint64_t *session)
{
	enum err e = pg_ready(l->pg);
	if (e != ERR_OK || *session == pg_sessions(l->pg))
		return e;
	e = fence_adopt(l->pg, partition, epoch);
	if (e == ERR_OK)
		*session = pg_sessions(l->pg);
	if (e != ERR_REFUSED)
		return e;
	log_error("postgres", "a fence row was refused| partition=%d sqlstate=%s error=\"%s\"",
		  partition, pg_sqlstate(l->pg), pg_error(l->pg));
	return ERR_FAILED; /* no message is to blame */
}

/* A conversion may be of no campaign. */
static bool is_known(const struct ledger *l, const struct ledger_row *row)
{
	static const struct uuid nil;
	return row->dead != NULL || uuid_is_equal(&row->event.campaign_id, &nil) ||
	       uuid_set_has(&l->campaigns, &row->event.campaign_id);
}

/* Events of campaigns that must not register themselves become dead letters. */
static void refuse_unknown(const struct ledger *l, struct ledger_batch *b)
{
	for (uint32_t i = 0; i < b->upto; i++) {
		struct ledger_row *row = &b->rows[i];
		if (!is_known(l, row)) {
			row->dead = DEAD_UNKNOWN_CAMPAIGN;
			row->dead_detail = "the campaign is not registered";
		}
	}
}

static enum err register_campaigns(struct ledger *l, struct ledger_batch *b)
{
	struct uuid_set unknown = UUID_SET_INIT;
	for (uint32_t i = 0; i < b->upto; i++) {
		if (!is_known(l, &b->rows[i]))
			uuid_set_add(&unknown, &b->rows[i].event.campaign_id);
	}
	enum err e = ERR_OK;
	if (unknown.count > 0)
		e = campaigns_learn(l->pg, &l->campaigns, &unknown,
				    l->cfg->auto_register_campaigns);
	if (e == ERR_OK && unknown.count > 0 && !l->cfg->auto_register_campaigns)
		refuse_unknown(l, b);
	uuid_set_release(&unknown);
	return e;
}

static enum err ensure_months(struct ledger *l, const struct ledger_batch *b)
{
	int32_t last_day[EVENT_KINDS] = {INT32_MIN, INT32_MIN, INT32_MIN};
	for (uint32_t i = 0; i < b->upto; i++) {
		const struct event *event = &b->rows[i].event;
		if (b->rows[i].dead != NULL || day_of_ms(event->time_ms) == last_day[event->kind])
			continue;
		last_day[event->kind] = day_of_ms(event->time_ms);
		const enum err e =
			months_ensure(l->pg, &l->months, event->kind, last_day[event->kind]);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static void add_events(struct pg_steps *steps, enum sql sql, int32_t shard, const struct staged *s)
{
	if (s->n == 0)
		return;
	struct pg_step *step = pg_step_add(steps, sql);
	pg_step_int(step, shard);
	pg_step_bytes(step, &s->rows);
}

static void add_look(struct ledger *l, enum sql sql, struct pg_steps *steps)
{
	struct pg_step *step = pg_step_add(steps, sql);
	pg_step_int(step, paths_longest_ms(&l->paths));
	pg_step_bytes(step, &l->staging.late.rows);
	if (sql != SQL_stage_targets)
		return;
	pg_step_bytes(step, &l->staging.of[EVENT_CONVERSION].rows);
	pg_step_bytes(step, &l->staging.of[EVENT_ADJUSTMENT].rows);
}

/* Look for the conversions whose paths are to be made. A few clicks alone rarely have any, and then
 * need not touch the session's tables. */
static void add_targets(struct ledger *l, struct pg_steps *steps)
{
	const struct staging *s = &l->staging;
	if (s->of[EVENT_CONVERSION].n + s->of[EVENT_ADJUSTMENT].n > 0 || s->late.n > FEW_CLICKS)
		add_look(l, SQL_stage_targets, steps);
	else if (s->late.n > 0)
		add_look(l, SQL_any_targets, steps);
}

/* Stage the targets, unless a look said that there are none. */
static enum err take_targets(struct ledger *l, struct pg_steps *steps)
{
	const PGresult *any = pg_steps_result(steps, SQL_any_targets);
	enum err e = ERR_OK;
	if (any != NULL && *PQgetvalue(any, 0, 0) == 't') {
		pg_steps_clear(steps);
		add_look(l, SQL_stage_targets, steps);
		e = pg_run_steps(l->pg, steps);
	}
	if (e == ERR_OK)
		paths_take(&l->paths, pg_steps_result(steps, SQL_stage_targets));
	return e;
}

/* How many clicks and adjustments were stored. */
static void take_events(struct ledger *l, const struct pg_steps *steps,
			uint32_t stored[EVENT_KINDS])
{
	const PGresult *clicks = pg_steps_result(steps, SQL_store_clicks);
	const PGresult *adjustments = pg_steps_result(steps, SQL_store_adjustments);
	if (l->is_fresh)
		stored[EVENT_CLICK] = l->staging.of[EVENT_CLICK].n;
	for (int i = 0; clicks != NULL && i < PQntuples(clicks); i++) {
		const int64_t n = pg_int(clicks, i, 2);
		changes_add_clicks(&l->changes, pg_uuid(clicks, i, 0),
				   (int32_t)pg_int(clicks, i, 1), n);
		stored[EVENT_CLICK] += (uint32_t)n;
	}
	if (adjustments != NULL)
		stored[EVENT_ADJUSTMENT] = (uint32_t)pg_int(adjustments, 0, 0);
}

/* See wary_note. */
static bool choose_fresh(struct ledger *l, int32_t shard)
{
	const struct staged *clicks = &l->staging.of[EVENT_CLICK];
	return clicks->n >= MANY_CLICKS && !clicks->reread && l->wary == 0 &&
	       fresh_take(&l->fresh, l->staging.clicks, clicks->n, shard);
}

/* Store the clicks, or add the statement that does. */
static enum err store_clicks(struct ledger *l, const struct ledger_batch *b, struct pg_steps *steps)
{
	l->is_fresh = choose_fresh(l, b->partition);
	if (!l->is_fresh) {
		staging_add_clicks(&l->staging, b);
		add_events(steps, SQL_store_clicks, b->partition, &l->staging.of[EVENT_CLICK]);
		return ERR_OK;
	}
	const enum err e = fresh_copy(&l->fresh, l->pg);
	l->was_in_vain = e == ERR_REFUSED || e == ERR_FAILED;
	fresh_book(&l->fresh, b->partition, l->paths.types.of[ROW_CLICK_DELTA], &l->changes, steps);
	return e;
}

/* Store clicks and adjustments, which are stored as they are, and find the conversions whose paths
 * are to be made. */
static enum err store_events(struct ledger *l, const struct ledger_batch *b,
			     uint32_t stored[EVENT_KINDS])
{
	struct pg_steps steps = {.n = 0};
	enum err e = store_clicks(l, b, &steps);
	add_events(&steps, SQL_store_adjustments, b->partition, &l->staging.of[EVENT_ADJUSTMENT]);
	add_targets(l, &steps);
	if (e == ERR_OK)
		e = pg_run_steps(l->pg, &steps);
	if (e == ERR_OK) {
		take_events(l, &steps, stored);
		e = take_targets(l, &steps);
	}
	pg_steps_clear(&steps);
	return e;
}

/* Store the conversions with their paths, and change those that clicks and adjustments change. */
static enum err store_conversions(struct ledger *l, struct ledger_batch *b, const char *shard,
				  uint32_t *stored)
{
	if (l->paths.n == 0)
		return ERR_OK;
	enum err e = paths_make(&l->paths, l->pg);
	if (e == ERR_OK)
		e = paths_store(&l->paths, l->pg, shard, stored, &b->changed);
	if (e != ERR_OK)
		return e;
	paths_collect(&l->paths);
	changes_add_cells(&l->changes, &l->paths.cells);
	return pending_keep(&l->paths, l->pg, shard);
}

/* Mark the rows that conflict with what is stored; their number. */
static enum err find_conflicts(struct ledger *l, enum sql sql, const struct staged *s,
			       struct ledger_batch *b, uint32_t *count)
{
	struct pg_steps steps = {.n = 0};
	pg_step_bytes(pg_step_add(&steps, sql), &s->rows);
	const enum err e = pg_run_steps(l->pg, &steps);
	const PGresult *r = pg_steps_result(&steps, sql);
	*count = e == ERR_OK ? (uint32_t)PQntuples(r) : 0;
	for (uint32_t i = 0; i < *count; i++) {
		struct ledger_row *row = &b->rows[pg_int(r, (int)i, 0)];
		row->dead = DEAD_CONFLICT;
		row->dead_detail = "an event with this id and time is stored with another content";
	}
	pg_steps_clear(&steps);
	return e;
}

/* Count what became of one topic's staged rows. */
static enum err count_topic(struct ledger *l, struct ledger_batch *b, enum event_kind t,
			    uint32_t stored)
{
	static const enum sql conflicting[EVENT_KINDS] = {
		[EVENT_CLICK] = SQL_conflicting_clicks,
		[EVENT_CONVERSION] = SQL_conflicting_conversions,
		[EVENT_ADJUSTMENT] = SQL_conflicting_adjustments,
	};
	const struct staged *s = &l->staging.of[t];
	uint32_t conflicts = 0;
	enum err e = ERR_OK;
	if (stored < s->n)
		e = find_conflicts(l, conflicting[t], s, b, &conflicts);
	if (s->reread) {
		/* counted as reread; what was stored again all the same still moves the buckets */
		b->stored[t] = 0;
		return e;
	}
	b->stored[t] = stored;
	b->duplicate[t] = s->n - stored - conflicts;
	return e;
}

static enum err store_all(struct ledger *l, struct ledger_batch *b, const char *shard)
{
	uint32_t stored[EVENT_KINDS] = {0};
	if (staging_is_empty(&l->staging))
		return ERR_OK;
	enum err e = store_events(l, b, stored);
	if (e == ERR_OK)
		e = store_conversions(l, b, shard, &stored[EVENT_CONVERSION]);
	for (int t = 0; e == ERR_OK && t < EVENT_KINDS; t++)
		e = count_topic(l, b, (enum event_kind)t, stored[t]);
	return e;
}

static enum err keep_dead_letter(struct ledger *l, const struct ledger_batch *b,
				 const struct ledger_row *row)
{
	char offset[24], partition[16], id[UUID_TEXT_LEN + 1];
	const bool is_read = strcmp(row->dead, DEAD_MALFORMED) != 0;
	if (is_read)
		uuid_format(&row->event.id, id);
	snprintf(offset, sizeof(offset), "%lld", (long long)row->record.offset);
	snprintf(partition, sizeof(partition), "%d", b->partition);
	const char *const params[] = {topic_name(l->cfg, row->record.topic),
				      partition,
				      offset,
				      row->record.key,
				      row->record.payload,
				      row->dead,
				      row->dead_detail,
				      is_read ? id : NULL};
	const int lengths[] = {0, 0, 0, (int)row->record.key_len, (int)row->record.payload_len,
			       0, 0, 0};
	const int formats[] = {0, 0, 0, 1, 1, 0, 0, 0};
	return pg_run_binary(l->pg, SQL_dead_letter, 8, params, lengths, formats, NULL);
}

static enum err keep_dead_letters(struct ledger *l, struct ledger_batch *b)
{
	enum err e = ERR_OK;
	for (uint32_t i = 0; e == ERR_OK && i < b->taken; i++) {
		const struct ledger_row *row = &b->rows[i];
		const int t = row->record.topic;
		if (row->dead == NULL || row->stale)
			continue;
		e = keep_dead_letter(l, b, row);
		if (!l->staging.of[t].reread)
			b->dead_lettered[t]++;
	}
	return e;
}

static void forget_conflicts(struct ledger_batch *b)
{
	for (uint32_t i = 0; i < b->upto; i++) {
		if (b->rows[i].dead != NULL && strcmp(b->rows[i].dead, DEAD_CONFLICT) == 0)
			b->rows[i].dead = NULL;
	}
}

/* Forget what an earlier attempt at this batch found out. */
static void reset(struct ledger *l, struct ledger_batch *b)
{
	staging_clear(&l->staging, &l->paths.types);
	changes_clear(&l->changes, &l->paths.types);
	for (int t = 0; t < EVENT_KINDS; t++)
		b->stored[t] = b->duplicate[t] = b->dead_lettered[t] = b->reread[t] = 0;
	b->gaps = b->changed = b->n_shares = 0;
	forget_conflicts(b);
}

static void advance_fence(struct ledger *l, struct ledger_batch *b, struct pg_steps *steps)
{
	for (int t = 0; t < EVENT_KINDS; t++) {
		l->fence.stored[t] += b->stored[t];
		l->fence.duplicate[t] += b->duplicate[t];
		l->fence.dead_lettered[t] += b->dead_lettered[t];
		b->next_offset[t] = l->fence.next_offset[t];
	}
	b->version = l->fence.version;
	fence_advance(steps, b->partition, &l->fence);
}

static void take_shares(const struct changes *c, struct ledger_batch *b)
{
	b->n_shares = c->n_days;
	if (b->n_shares > b->shares_cap) {
		b->shares_cap = b->n_shares;
		b->shares = xrealloc(b->shares, b->shares_cap * sizeof(*b->shares));
	}
	for (uint32_t i = 0; i < b->n_shares; i++)
		b->shares[i] = c->days[i];
}

/* The last statements: the sums, and the fence. */
static enum err finish(struct ledger *l, struct ledger_batch *b)
{
	struct pg_steps steps = {.n = 0};
	changes_book(&l->changes, b->partition, l->fence.version, &steps);
	advance_fence(l, b, &steps);
	enum err e = pg_run_steps(l->pg, &steps);
	if (e == ERR_OK)
		e = changes_settle(&l->changes, l->pg, b->partition, &steps);
	if (e == ERR_OK)
		take_shares(&l->changes, b);
	pg_steps_clear(&steps);
	return e;
}

/* The first statements: hold the shard, and then, not before, see which settings are in force, and
 * up to when there are conversions. */
static enum err begin(struct ledger *l, const struct ledger_batch *b)
{
	struct pg_steps steps = {.n = 0};
	int64_t revision = 0;
	pg_step_add(&steps, SQL_begin);
	fence_lock(&steps, b->partition, b->epoch);
	pg_step_add(&steps, SQL_attribution_revision);
	pg_step_int(pg_step_add(&steps, SQL_latest_conversion), b->partition);
	enum err e = pg_run_steps(l->pg, &steps);
	if (e == ERR_OK)
		e = fence_locked(&steps, b->epoch, &l->fence);
	if (e == ERR_OK) {
		revision = pg_int(pg_steps_result(&steps, SQL_attribution_revision), 0, 0);
		l->latest_ms =
			pg_int_or(pg_steps_result(&steps, SQL_latest_conversion), 0, 0, INT64_MIN);
	}
	pg_steps_clear(&steps);
	return e == ERR_OK ? paths_follow_rules_to(&l->paths, l->pg, revision) : e;
}

static enum err book_in_transaction(struct ledger *l, struct ledger_batch *b)
{
	char shard[16];
	snprintf(shard, sizeof(shard), "%d", b->partition);
	enum err e = begin(l, b);
	if (e != ERR_OK)
		return e;
	l->fence.version++;
	staging_fill(&l->staging, &l->fence, b, l->latest_ms);
	e = store_all(l, b, shard);
	if (e == ERR_OK)
		e = keep_dead_letters(l, b);
	return e == ERR_OK ? finish(l, b) : e;
}

/* See unknown_note. ERR_OK: it was committed. ERR_RETRY: it was not. */
static enum err resolve_doubt(struct ledger *l, const struct ledger_batch *b)
{
	struct fence now;
	const enum err e = fence_read(l->pg, b->partition, &now);
	if (e != ERR_OK)
		return e;
	l->in_doubt = false;
	if (now.epoch != b->epoch)
		return ERR_FENCED;
	const bool committed = now.version == b->version && memcmp(now.next_offset, b->next_offset,
								   sizeof(now.next_offset)) == 0;
	log_warn("postgres",
		 "the outcome of a commit was read from the fence| partition=%d committed=%s",
		 b->partition, committed ? "yes" : "no");
	return committed ? ERR_OK : ERR_RETRY;
}

/* Keep what PostgreSQL said. It may have been about a month or a campaign that somebody took away,
 * so that nothing known of these is held for true any longer; no row is judged by one try. */
static enum err refused(struct ledger *l, struct ledger_batch *b)
{
	snprintf(l->refusal, sizeof(l->refusal), "%s: %s", pg_sqlstate(l->pg), pg_error(l->pg));
	b->refusal = l->refusal;
	memset(&l->months, 0, sizeof(l->months));
	uuid_set_release(&l->campaigns);
	return ERR_REFUSED;
}

/* What must be there before the transaction, in short transactions of its own. */
static enum err prepare(struct ledger *l, struct ledger_batch *b)
{
	b->taken = b->upto;
	enum err e = row_types_learn(&l->paths.types, l->pg);
	if (e == ERR_OK)
		e = register_campaigns(l, b);
	return e == ERR_OK ? ensure_months(l, b) : e;
}

/* See wary_note. */
static enum err try_to_book(struct ledger *l, struct ledger_batch *b)
{
	l->was_in_vain = false;
	reset(l, b);
	enum err e = book_in_transaction(l, b);
	if (!l->was_in_vain) {
		l->wary -= l->wary > 0;
		return e;
	}
	l->wary = WARY_BATCHES;
	pg_rollback(l->pg);
	reset(l, b);
	return book_in_transaction(l, b);
}

static enum err book(struct ledger *l, struct ledger_batch *b)
{
	enum err e = try_to_book(l, b);
	if (e == ERR_OK) {
		e = pg_commit(l->pg);
		l->in_doubt = e == ERR_UNKNOWN;
		l->doubt_partition = b->partition;
		l->doubt_epoch = b->epoch;
	}
	if (e != ERR_OK && e != ERR_UNKNOWN) {
		pg_rollback(l->pg);
		forget_conflicts(b);
	}
	return e;
}

enum err ledger_book(struct ledger *l, struct ledger_batch *b)
{
	enum err e = pg_ready(l->pg);
	if (l->doubt_partition != b->partition || l->doubt_epoch != b->epoch)
		l->in_doubt = false; /* that batch was dropped with its partition */
	if (e == ERR_OK && l->in_doubt) {
		e = resolve_doubt(l, b);
		if (e != ERR_RETRY)
			return e;
		e = ERR_OK;
	}
	if (e == ERR_OK)
		e = prepare(l, b);
	if (e == ERR_OK)
		e = book(l, b);
	return e == ERR_REFUSED ? refused(l, b) : e;
}
