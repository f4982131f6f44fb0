/*
 * The writer actor.
 *
 * Runs on its own thread. Partitions take turns, one transaction each; a batch stays with its
 * partition until the ledger has taken all of it, so that one in which PostgreSQL refuses something
 * (see actors/batch.h) holds up no other.
 *
 * same_note: after any other failure the same batch is tried again before anything else, so that a
 * COMMIT of unknown outcome is resolved by the same call (see unknown_note in store/ledger.c), and
 * an outage leaves no more than one batch open for each such partition.
 */
#include "actors/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "actors/actor.h"
#include "actors/batch.h"
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
	uint32_t records; /* in the queue */
	int64_t epoch;	  /* of the claim; older records are refused */
	int64_t version;  /* of the fence at the claim */
	uint64_t session; /* of the ledger, that the fence row names */
	bool announce;	  /* the counter must be told of the claim, or that it missed something */
	bool revoked;	  /* the counter must be told that the shard is not ours any more */
	struct batch *batch; /* being booked; NULL: none */
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
	uint32_t queued;     /* records in all queues */
	struct batch *spare; /* for the next batch; may be NULL */
	uint64_t retry_at_ns;
	uint64_t backoff_ms;
	int32_t next; /* partition to look at first, for fairness or see same_note */
};

static void drop_queue(struct writer *w, struct part *part)
{
	for (; part->count > 0; part->count--)
		msg_free(part->queue[part->head++]);
	part->head = 0;
	w->queued -= part->records;
	part->records = 0;
}

static void end_batch(struct writer *w, struct part *part)
{
	if (part->batch == NULL)
		return;
	batch_clear(part->batch, -1, -1);
	if (w->spare == NULL)
		w->spare = part->batch;
	else
		batch_free(part->batch);
	part->batch = NULL;
}

/* The partition is not ours under the epoch we know: forget all about it. */
static void drop_partition(struct writer *w, int32_t p)
{
	drop_queue(w, &w->parts[p]);
	end_batch(w, &w->parts[p]);
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
	part->announce = true;
	part->session = 0;
	part->revoked = false;
}

static void on_revoked(struct writer *w, int32_t p)
{
	struct part *part = &w->parts[p];
	drop_partition(w, p);
	part->epoch = -1;
	part->announce = false;
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

static void send_shares(struct writer *w, const struct ledger_batch *b)
{
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

static void count_topic(struct writer *w, const struct ledger_batch *b, int t)
{
	static const enum metric ids[EVENT_KINDS][4] = {
		[EVENT_CLICK] = {M_CLICKS_STORED, M_CLICKS_DUPLICATE, M_CLICKS_DEAD,
				 M_CLICKS_REREAD},
		[EVENT_CONVERSION] = {M_CONVERSIONS_STORED, M_CONVERSIONS_DUPLICATE,
				      M_CONVERSIONS_DEAD, M_CONVERSIONS_REREAD},
		[EVENT_ADJUSTMENT] = {M_ADJUSTMENTS_STORED, M_ADJUSTMENTS_DUPLICATE,
				      M_ADJUSTMENTS_DEAD, M_ADJUSTMENTS_REREAD},
	};
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

/* One line for each message that is refused, now that its dead letter is there. */
static void log_refused(const struct ledger_batch *b)
{
	for (uint32_t i = 0; i < b->taken; i++) {
		const struct ledger_row *row = &b->rows[i];
		if (batch_row_is_refused(row))
			log_warn("writer",
				 "PostgreSQL refused a message, it became a dead letter| topic=%s "
				 "partition=%d offset=%" PRId64 " error=\"%s\"",
				 event_word(row->record.topic), b->partition, row->record.offset,
				 row->dead_detail);
	}
}

static void after_commit(struct writer *w, struct part *part, uint64_t began_ns)
{
	const struct ledger_batch *b = &part->batch->booking;
	metrics_observe(w->metrics, M_BATCH_EVENTS, b->taken);
	metrics_observe(w->metrics, M_BATCH_SECONDS, clock_mono_ns() - began_ns);
	metrics_add(w->metrics, M_GAPS, b->gaps);
	metrics_add(w->metrics, M_ATTRIBUTED_LATE, b->changed);
	for (int t = 0; t < EVENT_KINDS; t++)
		count_topic(w, b, t);
	log_refused(b);
	send_shares(w, b);
	metrics_add(w->metrics, M_REFUSED, batch_booked(part->batch));
	if (batch_is_done(part->batch))
		end_batch(w, part);
}

static void back_off(struct writer *w, int32_t p, enum err e)
{
	metrics_add(w->metrics, M_BATCH_RETRIES, 1);
	log_warn("writer", "a batch could not be booked, repeating it| partition=%d error=\"%s\"",
		 p, err_text(e));
	w->next = p;
	w->retry_at_ns = clock_mono_ns() + w->backoff_ms * NS_PER_MS;
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_MAX_MS ? w->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void lose_partition(struct writer *w, int32_t p)
{
	log_warn("writer", "the partition has another owner, dropping what is queued| partition=%d",
		 p);
	metrics_add(w->metrics, M_FENCED, 1);
	w->parts[p].revoked = true;
	w->parts[p].epoch = -1;
	drop_partition(w, p);
}

static enum err book_batch(struct writer *w, struct part *part, struct batch *batch)
{
	batch_aim(batch);
	const enum err e =
		ledger_adopt(w->ledger, batch->booking.partition, part->epoch, &part->session);
	return e == ERR_OK ? ledger_book(w->ledger, &batch->booking) : e;
}

/* Book a partition's batch, or a prefix of it. False: wait before the next attempt. */
static bool book(struct writer *w, int32_t p)
{
	const uint64_t began_ns = clock_mono_ns();
	struct part *part = &w->parts[p];
	const enum err e = book_batch(w, part, part->batch);
	if (e == ERR_OK) {
		w->backoff_ms = BACKOFF_MIN_MS;
		after_commit(w, part, began_ns);
		return true;
	}
	if (e == ERR_FENCED) {
		lose_partition(w, p);
		return true;
	}
	if (e == ERR_REFUSED) {
		if (batch_refused(part->batch)) {
			metrics_add(w->metrics, M_BATCH_RETRIES, 1);
			return true;
		}
		log_error("writer",
			  "PostgreSQL refuses what no message is to blame for| partition=%d "
			  "error=\"%s\"",
			  p, part->batch->booking.refusal);
	}
	back_off(w, p, e);
	return false;
}

/* Move messages from a partition's queue into the batch, up to the bound. */
static void open_batch(struct writer *w, int32_t p)
{
	struct part *part = &w->parts[p];
	struct batch *batch = w->spare != NULL ? w->spare : batch_new();
	w->spare = NULL;
	batch_clear(batch, p, part->epoch);
	while (part->count > 0 && (batch->n == 0 || batch->n + part->queue[part->head]->records.n <=
							    w->cfg->batch_max_events)) {
		struct msg *m = part->queue[part->head++];
		part->count--;
		part->records -= m->records.n;
		w->queued -= m->records.n;
		batch_add(batch, m, w->partitions);
	}
	if (part->count == 0)
		part->head = 0;
	part->batch = batch;
}

/* How long until the partition has something to book; 0: now. */
static uint64_t due_in_ns(const struct writer *w, const struct part *part, uint64_t now)
{
	if (part->batch != NULL)
		return 0;
	if (part->count == 0)
		return UINT64_MAX;
	const uint64_t due =
		part->queue[part->head]->created_ns + (uint64_t)w->cfg->batch_linger_ms * NS_PER_MS;
	return part->records >= w->cfg->batch_max_events || due <= now ? 0 : due - now;
}

/* The next partition that has something to book, with an open batch; or -1, and for how long there
 * will be none. */
static int32_t pick(struct writer *w, uint64_t now, uint64_t *wait_ns)
{
	*wait_ns = IDLE_NS;
	for (int32_t i = 0; i < w->partitions; i++) {
		const int32_t p = (w->next + i) % w->partitions;
		const uint64_t due = due_in_ns(w, &w->parts[p], now);
		if (due == 0) {
			w->next = p + 1;
			if (w->parts[p].batch == NULL)
				open_batch(w, p);
			return p;
		}
		*wait_ns = due < *wait_ns ? due : *wait_ns;
	}
	return -1;
}

static uint64_t on_idle(void *self)
{
	struct writer *w = self;
	uint64_t wait_ns;
	tell_counter(w);
	const uint64_t now = clock_mono_ns();
	if (now < w->retry_at_ns)
		return w->retry_at_ns - now;
	const int32_t p = pick(w, now, &wait_ns);
	if (p < 0)
		return wait_ns;
	return book(w, p) ? 0 : w->backoff_ms * NS_PER_MS;
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
	uint64_t wait_ns;
	int32_t p;
	while (clock_mono_ns() < until && (p = pick(w, UINT64_MAX, &wait_ns)) >= 0) {
		if (!book(w, p)) {
			const struct timespec pause = {.tv_nsec = 10 * (long)NS_PER_MS};
			nanosleep(&pause, NULL);
		}
	}
	for (p = 0; p < w->partitions; p++) {
		drop_partition(w, p);
		free(w->parts[p].queue);
	}
	batch_free(w->spare);
	ledger_free(w->ledger);
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
	free(w);
}
