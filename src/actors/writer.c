/*
 * The writer actor.
 *
 * Runs on its own thread. The batch being booked is kept whole until the ledger has taken all of
 * it, so that a COMMIT of unknown outcome can be resolved by the same call (see unknown_note in
 * store/ledger.c).
 */
#include "actors/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "actors/actor.h"
#include "domain/decode.h"
#include "store/ledger.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_NS (100 * NS_PER_MS)
#define BACKOFF_MIN_MS 10
#define BACKOFF_MAX_MS 1000
#define QUEUED_BATCHES 4 /* this many batches may wait before the writer takes no more */
#define COUNTER_LANE 255

/* A partition this writer books. */
struct part {
	struct msg **queue; /* MSG_RECORDS, in order */
	size_t head, count, cap;
	uint32_t records;   /* in the queue */
	int64_t epoch;	    /* of the claim; older records are refused */
	int64_t version;    /* of the fence at the claim */
	bool adopt_pending; /* the fence row does not name our backend yet */
	bool announce;	    /* the counter must be told of the claim, or that it missed something */
	bool revoked;	    /* the counter must be told that the shard is not ours any more */
};

struct writer {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	int32_t partitions;
	struct metrics *metrics;
	struct partition_gauge *const *gauges;
	struct lane *counter;

	/* owned by the writer thread */
	struct ledger *ledger;
	struct part *parts;
	uint32_t queued;	   /* records in all queues */
	struct ledger_batch batch; /* being booked; batch.n == 0: none */
	struct ledger_row *rows;   /* the batch's rows from the first on */
	uint32_t rows_cap;
	struct msg **batch_msgs; /* what the rows borrow from */
	size_t batch_msgs_n, batch_msgs_cap;
	struct arena arena; /* what decoding made */
	uint64_t retry_at_ns;
	uint64_t backoff_ms;
	int32_t next; /* partition to look at first, for fairness */
};

static void drop_queue(struct writer *w, struct part *part)
{
	for (; part->count > 0; part->count--)
		msg_free(part->queue[part->head++]);
	part->head = 0;
	w->queued -= part->records;
	part->records = 0;
}

static void end_batch(struct writer *w)
{
	for (size_t i = 0; i < w->batch_msgs_n; i++)
		msg_free(w->batch_msgs[i]);
	w->batch_msgs_n = 0;
	w->batch.n = 0;
	arena_clear(&w->arena);
}

/* The partition is not ours under the epoch we know: forget all about it. */
static void drop_partition(struct writer *w, int32_t p)
{
	drop_queue(w, &w->parts[p]);
	if (w->batch.n > 0 && w->batch.partition == p)
		end_batch(w);
}

static void queue_records(struct writer *w, struct msg *m)
{
	struct part *part = &w->parts[m->records.partition];
	if (m->records.epoch != part->epoch) {
		msg_free(m);
		return;
	}
	if (part->head + part->count == part->cap) {
		if (part->head > 0) {
			for (size_t i = 0; i < part->count; i++)
				part->queue[i] = part->queue[part->head + i];
			part->head = 0;
		} else {
			part->cap = part->cap == 0 ? 16 : part->cap * 2;
			part->queue = xrealloc(part->queue, part->cap * sizeof(struct msg *));
		}
	}
	part->records += m->records.n;
	w->queued += m->records.n;
	part->queue[part->head + part->count++] = m;
}

static void on_claimed(struct writer *w, const struct msg_claimed *claimed)
{
	struct part *part = &w->parts[claimed->partition];
	drop_partition(w, claimed->partition);
	part->epoch = claimed->epoch;
	part->version = claimed->version;
	part->adopt_pending = part->announce = true;
	part->revoked = false;
}

static void on_revoked(struct writer *w, int32_t p)
{
	struct part *part = &w->parts[p];
	drop_partition(w, p);
	part->epoch = -1;
	part->announce = part->adopt_pending = false;
	part->revoked = true;
}

static void on_msg(void *self, struct msg *m)
{
	struct writer *w = self;
	if (m->kind == MSG_RECORDS) {
		queue_records(w, m);
		return;
	}
	if (m->kind == MSG_CLAIMED) {
		on_claimed(w, &m->claimed);
	} else {
		ASSERT(m->kind == MSG_REVOKED);
		on_revoked(w, m->revoked.partition);
	}
	msg_free(m);
}

static bool is_full(void *self)
{
	const struct writer *w = self;
	return w->queued >= QUEUED_BATCHES * (uint64_t)w->cfg->batch_max_events;
}

/* Claims and losses that the counter has not heard of for want of room. */
static void tell_counter(struct writer *w)
{
	for (int32_t p = 0; p < w->partitions; p++) {
		struct part *part = &w->parts[p];
		if (!part->announce && !part->revoked)
			continue;
		struct msg *m = msg_new(part->announce ? MSG_CLAIMED : MSG_REVOKED, 0);
		if (part->announce)
			m->claimed = (struct msg_claimed){p, part->epoch, part->version};
		else
			m->revoked = (struct msg_revoked){p};
		if (!actor_send(w->counter, m))
			return;
		part->announce = part->revoked = false;
	}
}

/* Days that Redis holds: yesterday's keys live until the end of today. */
static bool day_is_live(int32_t day)
{
	return day >= day_of_ms(clock_wall_ms()) - 1;
}

static void send_shares(struct writer *w)
{
	const struct ledger_batch *b = &w->batch;
	struct msg *m = msg_new(MSG_SHARES, b->n_shares * sizeof(struct share));
	struct share *shares = (struct share *)(void *)m->bytes;
	m->shares.shard = b->partition;
	m->shares.version = b->version;
	m->shares.shares = shares;
	for (uint32_t i = 0; i < b->n_shares; i++) {
		if (day_is_live(b->shares[i].day))
			shares[m->shares.n++] = b->shares[i];
	}
	struct part *part = &w->parts[b->partition];
	part->version = b->version;
	if (!actor_send(w->counter, m))
		part->announce = true; /* the counter starts over with this shard */
}

static void count_topic(struct writer *w, int t)
{
	static const enum metric ids[EVENT_KINDS][4] = {
		[EVENT_CLICK] = {M_CLICKS_STORED, M_CLICKS_DUPLICATE, M_CLICKS_DEAD,
				 M_CLICKS_REREAD},
		[EVENT_CONVERSION] = {M_CONVERSIONS_STORED, M_CONVERSIONS_DUPLICATE,
				      M_CONVERSIONS_DEAD, M_CONVERSIONS_REREAD},
	};
	const struct ledger_batch *b = &w->batch;
	metrics_add(w->metrics, ids[t][0], b->stored[t]);
	metrics_add(w->metrics, ids[t][1], b->duplicate[t]);
	metrics_add(w->metrics, ids[t][2], b->dead_lettered[t]);
	metrics_add(w->metrics, ids[t][3], b->reread[t]);
	atomic_store_explicit(&w->gauges[t][b->partition].next_offset, b->next_offset[t],
			      memory_order_relaxed);
	if (b->dead_lettered[t] > 0)
		log_warn("writer",
			 "messages became dead letters| topic=%s partition=%d count=%" PRIu32,
			 event_word((enum event_kind)t), b->partition, b->dead_lettered[t]);
}

static void after_commit(struct writer *w, uint64_t began_ns)
{
	metrics_observe(w->metrics, M_BATCH_EVENTS, w->batch.taken);
	metrics_observe(w->metrics, M_BATCH_SECONDS, clock_mono_ns() - began_ns);
	metrics_add(w->metrics, M_GAPS, w->batch.gaps);
	metrics_add(w->metrics, M_ATTRIBUTED_LATE, w->batch.reattributed);
	for (int t = 0; t < EVENT_KINDS; t++)
		count_topic(w, t);
	send_shares(w);
	w->batch.rows += w->batch.taken;
	w->batch.n -= w->batch.taken;
	if (w->batch.n == 0)
		end_batch(w);
}

static void back_off(struct writer *w, enum err e)
{
	metrics_add(w->metrics, M_BATCH_RETRIES, 1);
	log_warn("writer", "a batch could not be booked, repeating it| partition=%d error=\"%s\"",
		 w->batch.partition, err_text(e));
	w->retry_at_ns = clock_mono_ns() + w->backoff_ms * NS_PER_MS;
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_MAX_MS ? w->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static enum err adopt(struct writer *w, int32_t p)
{
	struct part *part = &w->parts[p];
	const enum err e = part->adopt_pending ? ledger_adopt(w->ledger, p, part->epoch) : ERR_OK;
	part->adopt_pending = e != ERR_OK;
	return e;
}

/* Book the open batch, or a prefix of it. False: wait before the next attempt. */
static bool book(struct writer *w)
{
	const uint64_t began_ns = clock_mono_ns();
	enum err e = adopt(w, w->batch.partition);
	if (e == ERR_OK)
		e = ledger_book(w->ledger, &w->batch);
	if (e == ERR_OK) {
		w->backoff_ms = BACKOFF_MIN_MS;
		after_commit(w, began_ns);
		return true;
	}
	if (e == ERR_FENCED) {
		log_warn("writer",
			 "the partition has another owner, dropping what is queued| partition=%d",
			 w->batch.partition);
		metrics_add(w->metrics, M_FENCED, 1);
		w->parts[w->batch.partition].revoked = true;
		w->parts[w->batch.partition].epoch = -1;
		drop_partition(w, w->batch.partition);
		return true;
	}
	back_off(w, e);
	return false;
}

static void add_rows(struct writer *w, struct msg *m, uint32_t *n)
{
	if (*n + m->records.n > w->rows_cap) {
		w->rows_cap = (*n + m->records.n) * 2;
		w->rows = xrealloc(w->rows, w->rows_cap * sizeof(*w->rows));
	}
	for (uint32_t i = 0; i < m->records.n; i++) {
		struct ledger_row *row = &w->rows[(*n)++];
		*row = (struct ledger_row){.record = m->records.records[i]};
		row->dead = record_decode(&row->record, m->records.partition, w->partitions,
					  &w->arena, &row->event, &row->dead_detail);
	}
	if (w->batch_msgs_n == w->batch_msgs_cap) {
		w->batch_msgs_cap = w->batch_msgs_cap == 0 ? 64 : w->batch_msgs_cap * 2;
		w->batch_msgs = xrealloc(w->batch_msgs, w->batch_msgs_cap * sizeof(struct msg *));
	}
	w->batch_msgs[w->batch_msgs_n++] = m;
}

/* Move messages from a partition's queue into the batch, up to the bound. */
static void open_batch(struct writer *w, int32_t p)
{
	struct part *part = &w->parts[p];
	uint32_t n = 0;
	while (part->count > 0 &&
	       (n == 0 || n + part->queue[part->head]->records.n <= w->cfg->batch_max_events)) {
		struct msg *m = part->queue[part->head++];
		part->count--;
		part->records -= m->records.n;
		w->queued -= m->records.n;
		add_rows(w, m, &n);
	}
	if (part->count == 0)
		part->head = 0;
	w->batch.partition = p;
	w->batch.epoch = part->epoch;
	w->batch.rows = w->rows;
	w->batch.n = n;
}

/* How long until the partition's queue is due; 0: now. */
static uint64_t due_in_ns(const struct writer *w, const struct part *part, uint64_t now)
{
	if (part->count == 0)
		return UINT64_MAX;
	const uint64_t due =
		part->queue[part->head]->created_ns + (uint64_t)w->cfg->batch_linger_ms * NS_PER_MS;
	return part->records >= w->cfg->batch_max_events || due <= now ? 0 : due - now;
}

/* Open a batch of the next partition that is due; else say how long none will be. */
static uint64_t pick(struct writer *w)
{
	const uint64_t now = clock_mono_ns();
	uint64_t wait_ns = IDLE_NS;
	for (int32_t i = 0; i < w->partitions; i++) {
		const int32_t p = (w->next + i) % w->partitions;
		const uint64_t due = due_in_ns(w, &w->parts[p], now);
		if (due == 0) {
			w->next = p + 1;
			open_batch(w, p);
			return 0;
		}
		wait_ns = due < wait_ns ? due : wait_ns;
	}
	return wait_ns;
}

static uint64_t on_idle(void *self)
{
	struct writer *w = self;
	tell_counter(w);
	const uint64_t now = clock_mono_ns();
	if (now < w->retry_at_ns)
		return w->retry_at_ns - now;
	if (w->batch.n == 0) {
		const uint64_t wait_ns = pick(w);
		if (w->batch.n == 0)
			return wait_ns;
	}
	return book(w) ? 0 : w->backoff_ms * NS_PER_MS;
}

static void init(void *self)
{
	struct writer *w = self;
	w->ledger = ledger_new(w->cfg, w->metrics, w->actor.name);
}

/* Book everything that is queued, until a third of the shutdown deadline has passed. */
static void fini(void *self)
{
	struct writer *w = self;
	const uint64_t until =
		clock_mono_ns() + (uint64_t)w->cfg->shutdown_timeout_ms * NS_PER_MS / 3;
	for (int32_t p = 0; p < w->partitions && clock_mono_ns() < until;) {
		if (w->batch.n == 0 && w->parts[p].count == 0) {
			p++;
			continue;
		}
		if (w->batch.n == 0)
			open_batch(w, p);
		if (!book(w)) {
			const struct timespec pause = {.tv_nsec = 10 * (long)NS_PER_MS};
			nanosleep(&pause, NULL);
		}
	}
	end_batch(w);
	for (int32_t p = 0; p < w->partitions; p++) {
		drop_queue(w, &w->parts[p]);
		free(w->parts[p].queue);
	}
	ledger_free(w->ledger);
	ledger_batch_release(&w->batch);
	arena_release(&w->arena);
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .is_full = is_full, .fini = fini};

struct writer *writer_start(const struct config *cfg, unsigned index, int32_t partitions,
			    struct mailbox *mb, struct mailbox *counter,
			    struct metrics_set *metrics, struct partition_gauge *const *gauges)
{
	char name[ACTOR_NAME_MAX];
	struct writer *w = xcalloc(1, sizeof(*w));
	snprintf(name, sizeof(name), "writer-%u", index);
	w->cfg = cfg;
	w->partitions = partitions;
	w->metrics = metrics_block_new(metrics);
	w->gauges = gauges;
	w->counter = mailbox_lane_open(counter, COUNTER_LANE);
	w->parts = xcalloc((size_t)partitions, sizeof(*w->parts));
	for (int32_t p = 0; p < partitions; p++)
		w->parts[p].epoch = -1;
	w->backoff_ms = BACKOFF_MIN_MS;
	actor_start(&w->actor, &ops, name, w, mb);
	return w;
}

void writer_stop(struct writer *w)
{
	if (w == NULL)
		return;
	actor_stop(&w->actor);
	free(w->parts);
	free(w->rows);
	free(w->batch_msgs);
	free(w);
}
