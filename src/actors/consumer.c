/*
 * The consumer actor.
 *
 * Runs on its own thread, woken through an eventfd by librdkafka. Assignment callbacks run inside
 * polling, so on this thread too.
 *
 * announce_note: a writer must hear of a claim before the first record read under it, and a lane
 * keeps its order; so claims are pushed first, and nothing is polled while one of them waits for
 * room. Revocations are a courtesy: records of an old epoch would be refused by the fence all the
 * same.
 *
 * order_note: a topic of few messages is fetched far ahead of one of many, and a conversion that is
 * booked before its clicks is booked again with each of them. So in a backlog conversions and
 * adjustments are held until the clicks of their partition are as far in time. That is for speed
 * alone: nothing is held for long where no click comes, nor beyond HELD_BYTES.
 *
 * stuck_note: the library can stop fetching without a word, and polling it counts as life. When
 * there are messages and none has come for STUCK_NS, although the writers have room, the consumer
 * is made anew.
 */
#include "actors/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/actor.h"
#include "store/fence.h"
#include "store/kafka_consumer.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_NS (100 * NS_PER_MS)
#define PUSHED_BACK_MIN_NS (2 * NS_PER_MS)
#define PUSHED_BACK_MAX_NS (32 * NS_PER_MS)
#define WRITERS_MAX 64 /* of the option WRITERS */
#define CLAIM_RETRY_NS (200 * NS_PER_MS)
#define LAG_INTERVAL_NS NS_PER_S
#define RECREATE_NS (2 * NS_PER_S)
#define STUCK_NS (60 * NS_PER_S)
#define POLLS_PER_TURN 2048
#define CHUNK_RECORDS 256
#define CHUNK_BYTES (256 * 1024)
#define LANE_CHUNKS 63
#define HELD_BYTES (64 * 1024 * 1024)
#define HELD_NS (2 * NS_PER_S)

/* What was read of a partition and not handed over yet; offsets of pointers into bytes are kept as
 * integers. */
struct chunk {
	struct record records[CHUNK_RECORDS];
	size_t payload_at[CHUNK_RECORDS];
	size_t key_at[CHUNK_RECORDS];
	uint32_t n;
	size_t held_bytes; /* counted in the consumer's, while it is held */
	struct buf bytes;
};

struct part {
	bool ours;
	bool claim_pending;  /* a MSG_CLAIMED is to be pushed */
	bool revoke_pending; /* a MSG_REVOKED is to be pushed */
	struct fence claim;
	int64_t position[EVENT_KINDS]; /* the next offset to come; -1: from the beginning */
	struct chunk *chunk;	       /* of clicks; NULL until first used */

	/* see order_note */
	struct chunk **held; /* of the other topics, in order; the last one is being filled */
	size_t held_n, held_cap;
	int64_t click_ms;  /* of the last click that came */
	uint64_t click_ns; /* when that was */
};

struct consumer {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	int32_t partitions;
	struct metrics *metrics;
	struct partition_gauge *const *gauges;
	struct health *health;
	struct lane **lanes; /* by writer */
	unsigned n_writers;
	char owner[96];

	/* owned by the consumer thread */
	struct kafka_consumer *kafka;
	struct pg *pg;
	struct part *parts;
	bool claims_pending; /* some assigned partition is not claimed yet */
	bool *wanted;	     /* assigned by the group */
	uint64_t claim_at_ns;
	uint64_t lag_at_ns;
	uint64_t progress_ns;	 /* when last something was read, or nothing was there to be read */
	uint64_t recreate_at_ns; /* 0: the consumer is fine */
	uint64_t pushed_back_ns; /* how long to wait the next time a writer has no room */
	uint64_t full_at_ns;	 /* when last a writer had none */
	uint64_t turn_ns;	 /* when this turn began */
	size_t held_bytes;
};

static struct lane *lane_of(struct consumer *c, int32_t partition)
{
	return c->lanes[(unsigned)partition % c->n_writers];
}

/* Hand a chunk to the partition's writer; false when the writer has no room. */
static bool send_chunk(struct consumer *c, int32_t partition, struct chunk *k)
{
	if (k == NULL || k->n == 0)
		return true;
	struct msg *m = msg_new(MSG_RECORDS, k->n * sizeof(struct record) + k->bytes.len);
	struct record *records = (struct record *)(void *)m->bytes;
	char *bytes = m->bytes + k->n * sizeof(struct record);
	memcpy(records, k->records, k->n * sizeof(struct record));
	if (k->bytes.len > 0)
		memcpy(bytes, k->bytes.data, k->bytes.len);
	for (uint32_t i = 0; i < k->n; i++) {
		records[i].payload = records[i].payload != NULL ? bytes + k->payload_at[i] : NULL;
		records[i].key = records[i].key != NULL ? bytes + k->key_at[i] : NULL;
	}
	m->records.partition = partition;
	m->records.epoch = c->parts[partition].claim.epoch;
	m->records.n = k->n;
	m->records.records = records;
	if (!actor_send(lane_of(c, partition), m))
		return false;
	k->n = 0;
	buf_clear(&k->bytes);
	return true;
}

static void free_chunk(struct chunk *k)
{
	if (k != NULL)
		buf_release(&k->bytes);
	free(k);
}

static void free_held(struct consumer *c, struct chunk *k)
{
	c->held_bytes -= sizeof(*k) + k->held_bytes;
	free_chunk(k);
}

static void drop_held(struct consumer *c, struct part *part)
{
	for (size_t i = 0; i < part->held_n; i++)
		free_held(c, part->held[i]);
	part->held_n = 0;
}

/* See order_note. */
static bool may_go(const struct consumer *c, int32_t p, const struct chunk *k)
{
	const struct part *part = &c->parts[p];
	const int64_t next = part->position[EVENT_CLICK] > 0 ? part->position[EVENT_CLICK] : 0;
	const int64_t end = kafka_consumer_end(c->kafka, EVENT_CLICK, p);
	const uint64_t since = part->click_ns > c->full_at_ns ? part->click_ns : c->full_at_ns;
	return (end >= 0 && next >= end) || k->records[k->n - 1].time_ms <= part->click_ms ||
	       c->held_bytes > HELD_BYTES || c->turn_ns > since + HELD_NS;
}

/* Hand over what need not be held; false when the writer has no room. */
static bool flush_held(struct consumer *c, int32_t p)
{
	struct part *part = &c->parts[p];
	size_t done = 0;
	bool has_room = true;
	while (has_room && done < part->held_n && may_go(c, p, part->held[done])) {
		has_room = send_chunk(c, p, part->held[done]);
		if (has_room)
			free_held(c, part->held[done++]);
	}
	if (done == 0)
		return has_room;
	part->held_n -= done;
	for (size_t i = 0; i < part->held_n; i++)
		part->held[i] = part->held[i + done];
	return has_room;
}

/* A writer that has no room is not asked again for its other partitions. */
static bool flush_all(struct consumer *c)
{
	uint64_t full = 0;
	for (int32_t p = 0; p < c->partitions; p++) {
		const uint64_t bit = UINT64_C(1) << (unsigned)p % c->n_writers;
		if ((full & bit) == 0 && !(send_chunk(c, p, c->parts[p].chunk) && flush_held(c, p)))
			full |= bit;
	}
	return full == 0;
}

/* A writer never splits a chunk, so none is larger than its largest batch. */
static bool chunk_is_full(const struct consumer *c, const struct chunk *k)
{
	return k != NULL && (k->n == CHUNK_RECORDS || k->n == c->cfg->batch_max_events ||
			     k->bytes.len >= CHUNK_BYTES);
}

/* The chunk of held records that has room. */
static struct chunk *held_chunk(struct consumer *c, struct part *part)
{
	if (part->held_n > 0 && !chunk_is_full(c, part->held[part->held_n - 1]))
		return part->held[part->held_n - 1];
	if (part->held_n == part->held_cap) {
		part->held_cap = part->held_cap == 0 ? 16 : part->held_cap * 2;
		part->held = xrealloc(part->held, part->held_cap * sizeof(struct chunk *));
	}
	part->held[part->held_n] = xcalloc(1, sizeof(struct chunk));
	c->held_bytes += sizeof(struct chunk);
	return part->held[part->held_n++];
}

static struct chunk *chunk_for(struct consumer *c, struct part *part, const struct record *rec)
{
	if (rec->topic != EVENT_CLICK) {
		struct chunk *k = held_chunk(c, part);
		k->held_bytes += rec->payload_len + rec->key_len;
		c->held_bytes += rec->payload_len + rec->key_len;
		return k;
	}
	part->click_ms = rec->time_ms;
	part->click_ns = c->turn_ns;
	if (part->chunk == NULL)
		part->chunk = xcalloc(1, sizeof(*part->chunk));
	return part->chunk;
}

static void add_record(struct consumer *c, struct part *part, const struct record *rec)
{
	struct chunk *k = chunk_for(c, part, rec);
	k->records[k->n] = *rec;
	k->payload_at[k->n] = k->bytes.len;
	if (rec->payload != NULL)
		buf_add(&k->bytes, rec->payload, rec->payload_len);
	k->key_at[k->n] = k->bytes.len;
	if (rec->key != NULL)
		buf_add(&k->bytes, rec->key, rec->key_len);
	k->n++;
	part->position[rec->topic] = rec->offset + 1;
}

/* Tell the library which claimed partitions to read, and from where. */
static void assign_claimed(struct consumer *c)
{
	int32_t *numbers = xcalloc((size_t)c->partitions, sizeof(*numbers));
	int64_t *offsets = xcalloc((size_t)c->partitions * EVENT_KINDS, sizeof(*offsets));
	int n = 0;
	for (int32_t p = 0; p < c->partitions; p++) {
		if (c->parts[p].ours)
			numbers[n++] = p;
	}
	for (int k = 0; k < EVENT_KINDS; k++) {
		for (int i = 0; i < n; i++)
			offsets[k * n + i] = c->parts[numbers[i]].position[k];
	}
	kafka_consumer_assign(c->kafka, numbers, offsets, n);
	free(numbers);
	free(offsets);
}

/* Claim what is wanted and not ours yet; false when PostgreSQL cannot be reached. */
static bool claim_wanted(struct consumer *c)
{
	if (pg_ready(c->pg) != ERR_OK)
		return false;
	for (int32_t p = 0; p < c->partitions; p++) {
		struct part *part = &c->parts[p];
		if (!c->wanted[p] || part->ours)
			continue;
		const enum err e = fence_claim(c->pg, p, c->owner, &part->claim);
		if (e != ERR_OK)
			return false;
		part->ours = part->claim_pending = true;
		part->revoke_pending = false;
		part->click_ms = INT64_MIN;
		part->click_ns = c->turn_ns;
		memcpy(part->position, part->claim.next_offset, sizeof(part->position));
		for (int k = 0; k < EVENT_KINDS; k++)
			atomic_store_explicit(&c->gauges[k][p].next_offset, part->position[k],
					      memory_order_relaxed);
		log_info("consumer",
			 "partition claimed| partition=%d epoch=%" PRId64 " clicks_from=%" PRId64
			 " conversions_from=%" PRId64 " adjustments_from=%" PRId64,
			 p, part->claim.epoch, part->position[EVENT_CLICK],
			 part->position[EVENT_CONVERSION], part->position[EVENT_ADJUSTMENT]);
	}
	return true;
}

static void forget_parts(struct consumer *c)
{
	for (int32_t p = 0; p < c->partitions; p++) {
		struct part *part = &c->parts[p];
		part->revoke_pending = part->ours || part->revoke_pending;
		part->ours = part->claim_pending = false;
		c->wanted[p] = false;
		if (part->chunk != NULL) {
			part->chunk->n = 0;
			buf_clear(&part->chunk->bytes);
		}
		drop_held(c, part);
		part->click_ms = INT64_MIN;
		for (int k = 0; k < EVENT_KINDS; k++)
			atomic_store_explicit(&c->gauges[k][p].lag, -1, memory_order_relaxed);
	}
	c->claims_pending = false;
}

static void on_assigned(void *context, const int32_t *partitions, int n)
{
	struct consumer *c = context;
	forget_parts(c);
	for (int i = 0; i < n; i++) {
		if (partitions[i] < c->partitions)
			c->wanted[partitions[i]] = true;
	}
	metrics_add(c->metrics, M_REBALANCES, 1);
	c->claims_pending = !claim_wanted(c);
	if (c->claims_pending)
		log_warn(
			"consumer",
			"partitions were assigned, but PostgreSQL cannot be asked: claiming later");
	assign_claimed(c);
	atomic_store_explicit(&c->health->grouped, 1, memory_order_relaxed);
}

static void on_revoked(void *context)
{
	struct consumer *c = context;
	metrics_add(c->metrics, M_REBALANCES, 1);
	forget_parts(c);
}

static void on_out_of_range(void *context, enum event_kind topic, int32_t partition, int64_t low,
			    int64_t high)
{
	struct consumer *c = context;
	struct part *part = &c->parts[partition];
	metrics_add(c->metrics, M_OUT_OF_RANGE, 1);
	if (part->position[topic] >= low) {
		log_error("consumer",
			  "the log ends before what was booked, so it is another log: not reading "
			  "it. Was the "
			  "topic made anew?| topic=%s partition=%d next_offset=%" PRId64
			  " end=%" PRId64,
			  event_word(topic), partition, part->position[topic], high);
		return;
	}
	log_error("consumer",
		  "messages were deleted before they were read: counting a gap| topic=%s "
		  "partition=%d "
		  "next_offset=%" PRId64 " first=%" PRId64,
		  event_word(topic), partition, part->position[topic], low);
	part->position[topic] = low;
	assign_claimed(c);
}

static const struct kafka_consumer_ops kafka_ops = {
	.assigned = on_assigned,
	.revoked = on_revoked,
	.out_of_range = on_out_of_range,
};

static bool announce(struct consumer *c, int32_t p)
{
	struct part *part = &c->parts[p];
	struct msg *m = msg_new(part->claim_pending ? MSG_CLAIMED : MSG_REVOKED, 0);
	if (part->claim_pending)
		m->claimed = (struct msg_claimed){p, part->claim.epoch, part->claim.version};
	else
		m->revoked = (struct msg_revoked){p};
	if (!actor_send(lane_of(c, p), m))
		return false;
	part->claim_pending = part->revoke_pending = false;
	return true;
}

/* See announce_note. */
static bool announce_all(struct consumer *c)
{
	for (int32_t p = 0; p < c->partitions; p++) {
		if ((c->parts[p].claim_pending || c->parts[p].revoke_pending) && !announce(c, p))
			return false;
	}
	return true;
}

static void measure_lag(struct consumer *c, uint64_t now)
{
	bool behind = false;
	for (int k = 0; k < EVENT_KINDS; k++) {
		for (int32_t p = 0; p < c->partitions; p++) {
			struct partition_gauge *g = &c->gauges[k][p];
			int64_t next = atomic_load_explicit(&g->next_offset, memory_order_relaxed);
			int64_t end = -1;
			if (c->parts[p].ours)
				end = kafka_consumer_end(c->kafka, (enum event_kind)k, p);
			behind = behind || (c->parts[p].ours && end > c->parts[p].position[k]);
			next = next > 0 ? next : 0;
			const int64_t lag = end < 0 ? -1 : end > next ? end - next : 0;
			atomic_store_explicit(&g->lag, lag, memory_order_relaxed);
		}
	}
	if (!behind)
		c->progress_ns = now;
}

/* Poll until nothing is there, the turn is over, or a writer pushes back; true if there may be more
 * at once. *any: a message was read. */
static bool poll_turn(struct consumer *c, bool *any)
{
	struct record rec;
	int32_t p;
	for (int i = 0; i < POLLS_PER_TURN; i++) {
		switch (kafka_consumer_poll(c->kafka, &rec, &p)) {
		case KAFKA_POLL_NOTHING:
			return false;
		case KAFKA_POLL_AGAIN:
			if (!announce_all(c))
				return false;
			break;
		case KAFKA_POLL_FATAL:
			log_error("consumer", "Kafka's consumer failed for good, making a new one");
			c->recreate_at_ns = clock_mono_ns() + RECREATE_NS;
			return false;
		case KAFKA_POLL_RECORD:
			if (p >= c->partitions || !c->parts[p].ours ||
			    rec.offset < c->parts[p].position[rec.topic])
				break;
			add_record(c, &c->parts[p], &rec);
			*any = true;
			if (chunk_is_full(c, c->parts[p].chunk) &&
			    (!announce_all(c) || !send_chunk(c, p, c->parts[p].chunk)))
				return false;
			break;
		}
	}
	return true;
}

static void recreate(struct consumer *c)
{
	kafka_consumer_free(c->kafka);
	forget_parts(c);
	c->kafka = kafka_consumer_new(c->cfg, mailbox_fd(c->actor.mb), &kafka_ops, c);
	c->recreate_at_ns = 0;
}

/* See stuck_note. */
static void look_for_hang(struct consumer *c, uint64_t now)
{
	if (now - c->progress_ns < STUCK_NS)
		return;
	log_warn("consumer", "messages are there and none comes, making a new consumer");
	c->progress_ns = now;
	c->recreate_at_ns = now;
}

/* Longer and longer: while PostgreSQL is down every try is in vain. */
static uint64_t pushed_back(struct consumer *c, uint64_t now)
{
	c->progress_ns = c->full_at_ns = now;
	const uint64_t wait_ns = c->pushed_back_ns;
	c->pushed_back_ns = wait_ns * 2 < PUSHED_BACK_MAX_NS ? wait_ns * 2 : PUSHED_BACK_MAX_NS;
	return wait_ns;
}

static uint64_t on_idle(void *self)
{
	struct consumer *c = self;
	const uint64_t now = clock_mono_ns();
	c->turn_ns = now;
	if (c->recreate_at_ns != 0) {
		if (now < c->recreate_at_ns)
			return c->recreate_at_ns - now;
		recreate(c);
	}
	if (c->claims_pending && now >= c->claim_at_ns) {
		c->claim_at_ns = now + CLAIM_RETRY_NS;
		c->claims_pending = !claim_wanted(c);
		if (!c->claims_pending)
			assign_claimed(c);
	}
	if (now >= c->lag_at_ns) {
		c->lag_at_ns = now + LAG_INTERVAL_NS;
		measure_lag(c, now);
	}
	if (!announce_all(c) || !flush_all(c))
		return pushed_back(c, now);
	bool any = false;
	const bool more = poll_turn(c, &any);
	if (any)
		c->progress_ns = now;
	look_for_hang(c, now);
	if (!announce_all(c) || !flush_all(c))
		return pushed_back(c, now);
	c->pushed_back_ns = PUSHED_BACK_MIN_NS;
	return more ? 0 : IDLE_NS;
}

static void on_msg(void *self, struct msg *m)
{
	(void)self;
	ASSERT(m == NULL); /* nobody writes to the consumer; its mailbox is there to be closed */
}

static void init(void *self)
{
	struct consumer *c = self;
	c->progress_ns = clock_mono_ns();
	c->kafka = kafka_consumer_new(c->cfg, mailbox_fd(c->actor.mb), &kafka_ops, c);
}

static void fini(void *self)
{
	struct consumer *c = self;
	kafka_consumer_free(c->kafka);
	pg_free(c->pg);
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct consumer *consumer_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
				struct mailbox *const *writers, unsigned n_writers,
				struct metrics_set *metrics, struct partition_gauge *const *gauges,
				struct health *health)
{
	const struct pg_options options = {
		.role = "consumer", .timeout_ms = 10000, .lock_timeout_ms = 2000};
	struct consumer *c = xcalloc(1, sizeof(*c));
	char host[64] = "";
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(c->owner, sizeof(c->owner), "%s:%d", host, (int)getpid());
	c->cfg = cfg;
	c->partitions = partitions;
	c->metrics = metrics_block_new(metrics);
	c->gauges = gauges;
	c->health = health;
	c->n_writers = n_writers;
	ASSERT(n_writers <= WRITERS_MAX);
	c->pushed_back_ns = PUSHED_BACK_MIN_NS;
	c->lanes = xcalloc(n_writers, sizeof(struct lane *));
	for (unsigned i = 0; i < n_writers; i++)
		c->lanes[i] = mailbox_lane_open(writers[i], LANE_CHUNKS);
	c->pg = pg_new(cfg, c->metrics, &options);
	c->parts = xcalloc((size_t)partitions, sizeof(*c->parts));
	c->wanted = xcalloc((size_t)partitions, sizeof(*c->wanted));
	actor_start(&c->actor, &ops, "consumer", c, mb);
	return c;
}

void consumer_stop(struct consumer *c)
{
	if (c == NULL)
		return;
	actor_stop(&c->actor);
	for (int32_t p = 0; p < c->partitions; p++) {
		free_chunk(c->parts[p].chunk);
		drop_held(c, &c->parts[p]);
		free(c->parts[p].held);
	}
	free(c->parts);
	free(c->wanted);
	free(c->lanes);
	free(c);
}
