/*
 * The producer actor.
 *
 * Runs on its own thread, woken through an eventfd by senders and by librdkafka alike. A message
 * stays with this actor until all of its records have a result, so Kafka's library reads keys and
 * values in place.
 *
 * breaker_note: Kafka counts as down once the oldest message in flight is older than
 * KAFKA_STALL_MS; no callback of the library is needed to find that out. What is in flight then is
 * copied to the spool, so that its senders get their answer; the library keeps the originals and
 * may still deliver them, and the writers recognise such duplicates. New events go to the spool at
 * once. From then on one message at a time is let through as a probe, of the spool or, without
 * one, of a client. Kafka is back when a probe was acknowledged in half of KAFKA_STALL_MS and
 * nothing in flight is old: a Kafka that is only just alive would stall again at once, and each
 * time what is in flight would be sent twice.
 *
 * round_note: what counts is how many events a request to Kafka carries, since each costs the
 * broker and the library about as much as a hundred events do. So messages are handed over in
 * rounds: while one is on its way new ones stay in their lanes, where they cost nobody a wake-up,
 * and all of them make up the next, one partition after the other, since a request carries one
 * partition's events. A lone event never waits. A round that takes longer than KAFKA_LINGER_US (a
 * slow partition, a far broker) does not hold up the next, and more than ROUND_RECORDS in flight
 * fill the library's requests by themselves.
 *
 * fatal_note: when the library's producer fails for good it is asked for everything it still has,
 * which comes back without acknowledgement and so goes to the spool; then it is replaced.
 */
#include "actors/producer.h"

#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "actors/spooler.h"
#include "store/kafka_producer.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_NS (50 * NS_PER_MS) /* while anything is in flight, see breaker_note */
#define IDLE_NS (500 * NS_PER_MS)
#define ROUND_RECORDS 512
#define ROUND_LISTS 64
#define SPOOL_LANE 65535
#define REPLACE_NS NS_PER_S

/* Records of a round in the order they came, mostly of one partition. */
struct round_list {
	struct produce_record *first, *last;
};

struct producer {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	int32_t partitions;
	struct health *health;
	struct metrics *metrics;
	struct lane *spool;   /* for events; NULL: there is no spool */
	struct lane *drained; /* for what the spool sent and gets back; has room for all of it */

	/* owned by the producer thread */
	struct kafka_producer *kafka;
	struct msg *oldest, *newest; /* messages in flight, in the order they came */
	int64_t inflight;	     /* their records without a result */
	bool took;		     /* messages came since the last look, see round_note */
	uint64_t held_until_ns;	     /* 0: messages are taken as they come */
	bool stalled;		     /* see breaker_note */
	bool recovered;		     /* a probe was quick since it stalled */
	struct msg *probe;	     /* in flight while stalled; NULL: none */
	uint64_t replace_at_ns;	     /* see fatal_note */

	/* records that were taken and not handed over yet; the producer thread's as well */
	struct round_list lists[ROUND_LISTS];
};

static void unlink_msg(struct producer *p, struct msg *m)
{
	*(m->produce.older != NULL ? &m->produce.older->produce.newer : &p->oldest) =
		m->produce.newer;
	*(m->produce.newer != NULL ? &m->produce.newer->produce.older : &p->newest) =
		m->produce.older;
}

static void link_msg(struct producer *p, struct msg *m)
{
	m->produce.older = p->newest;
	m->produce.newer = NULL;
	*(p->newest != NULL ? &p->newest->produce.newer : &p->oldest) = m;
	p->newest = m;
}

/* To the spool, or back to the sender: what was not acknowledged may be repeated. */
static void spool_or_refuse(struct producer *p, struct msg *m)
{
	void *moving = m;
	m->kind = MSG_SPOOL;
	if (p->spool != NULL && mailbox_push(p->spool, &moving) == MAILBOX_OK)
		return;
	for (uint32_t i = 0; i < m->produce.n; i++) {
		if (m->produce.records[i].status == PRODUCE_PENDING)
			m->produce.records[i].status = PRODUCE_RETRY;
	}
	msg_answer(m);
}

/* Nothing of the message is with the library any more. */
static void finish(struct producer *p, struct msg *m)
{
	uint32_t accepted = 0;
	void *moving = m;
	if (p->probe == m)
		p->probe = NULL;
	for (uint32_t i = 0; i < m->produce.n; i++)
		accepted += m->produce.records[i].status == PRODUCE_ACCEPTED;
	if (m->kind == MSG_DRAIN) {
		const enum mailbox_result r = mailbox_push(p->drained, &moving);
		ASSERT(r == MAILBOX_OK);
	} else if (accepted == m->produce.n || m->ticket.completion == NULL) {
		msg_answer(m);
	} else {
		spool_or_refuse(p, m);
	}
}

static uint64_t age_of(const struct msg *m)
{
	return clock_mono_ns() - m->created_ns;
}

static uint64_t stall_ns(const struct producer *p)
{
	return (uint64_t)p->cfg->kafka_stall_ms * NS_PER_MS;
}

static void on_result(void *context, struct produce_record *record, bool acknowledged)
{
	struct producer *p = context;
	struct msg *m = record->owner;
	if (acknowledged) {
		record->status = PRODUCE_ACCEPTED;
		p->recovered = p->recovered || (m == p->probe && age_of(m) < stall_ns(p) / 2);
	}
	p->inflight--;
	if (--m->produce.pending == 0) {
		unlink_msg(p, m);
		finish(p, m);
	}
}

/* May the message go to Kafka? See breaker_note. */
static bool is_let_through(const struct producer *p, const struct msg *m)
{
	if (!p->stalled)
		return true;
	return p->probe == NULL && (m->kind == MSG_DRAIN || p->spool == NULL);
}

static void add_to_round(struct producer *p, struct produce_record *record)
{
	struct round_list *list =
		&p->lists[((uint32_t)record->partition * EVENT_KINDS + record->kind) % ROUND_LISTS];
	record->next = NULL;
	*(list->first != NULL ? &list->last->next : &list->first) = record;
	list->last = record;
}

/* One partition after the other, see round_note. */
static void send_round(struct producer *p)
{
	for (size_t i = 0; i < ROUND_LISTS; i++) {
		struct produce_record *record = p->lists[i].first;
		p->lists[i].first = NULL;
		while (record != NULL) {
			struct produce_record *next = record->next;
			if (kafka_producer_send(p->kafka, record) != ERR_OK)
				on_result(p, record, false);
			record = next;
		}
	}
}

static void on_msg(void *self, struct msg *m)
{
	struct producer *p = self;
	ASSERT(m->kind == MSG_PRODUCE || m->kind == MSG_DRAIN);
	p->took = true;
	const bool through = is_let_through(p, m);
	m->produce.pending = 0;
	for (uint32_t i = 0; through && i < m->produce.n; i++) {
		if (m->produce.records[i].status == PRODUCE_PENDING) {
			add_to_round(p, &m->produce.records[i]);
			m->produce.pending++;
		}
	}
	p->inflight += m->produce.pending;
	if (m->produce.pending == 0) {
		finish(p, m);
		return;
	}
	link_msg(p, m);
	if (p->stalled)
		p->probe = m;
}

/* The same message for the spool, with the bytes of what is not acknowledged; takes the ticket. */
static struct msg *copy_for_spool(struct msg *m)
{
	const size_t records_len = m->produce.n * sizeof(struct produce_record);
	size_t bytes = 0;
	for (uint32_t i = 0; i < m->produce.n; i++)
		bytes += m->produce.records[i].value_len;
	struct msg *copy = msg_new(MSG_SPOOL, records_len + bytes);
	char *value = copy->bytes + records_len;
	copy->produce.records = memcpy(copy->bytes, m->produce.records, records_len);
	copy->produce.n = m->produce.n;
	for (uint32_t i = 0; i < m->produce.n; i++) {
		struct produce_record *record = &copy->produce.records[i];
		record->owner = copy;
		record->value = memcpy(value, record->value, record->value_len);
		value += record->value_len;
	}
	copy->ticket = m->ticket;
	m->ticket = (struct ticket){.completion = NULL};
	return copy;
}

static void spool_inflight(struct producer *p)
{
	for (struct msg *m = p->oldest; m != NULL; m = m->produce.newer) {
		if (m->kind == MSG_PRODUCE && m->ticket.completion != NULL)
			spool_or_refuse(p, copy_for_spool(m));
	}
}

static void trip(struct producer *p, uint64_t age_ns)
{
	log_warn("kafka",
		 p->spool != NULL
			 ? "no acknowledgement, keeping events in the spool| oldest_ms=%llu"
			 : "no acknowledgement, refusing events| oldest_ms=%llu",
		 (unsigned long long)(age_ns / NS_PER_MS));
	p->stalled = true;
	p->recovered = false;
	if (p->spool != NULL)
		spool_inflight(p);
}

/* See breaker_note. */
static void judge(struct producer *p)
{
	const uint64_t age_ns = p->oldest != NULL ? age_of(p->oldest) : 0;
	const bool is_old = age_ns > stall_ns(p);
	if (is_old && !p->stalled) {
		trip(p, age_ns);
	} else if (!is_old && p->stalled && p->recovered) {
		log_info("kafka", "acknowledging again");
		p->stalled = false;
		p->probe = NULL;
	}
	const bool up = !p->stalled && kafka_producer_is_connected(p->kafka);
	atomic_store_explicit(&p->health->kafka, up, memory_order_relaxed);
	metrics_set(p->metrics, M_KAFKA_PRODUCER_UP, up);
	metrics_set(p->metrics, M_KAFKA_INFLIGHT, p->inflight);
	metrics_set(p->metrics, M_KAFKA_OLDEST_MS, (int64_t)(age_ns / NS_PER_MS));
}

/* See fatal_note. */
static void replace_failed(struct producer *p)
{
	const uint64_t now = clock_mono_ns();
	if (!kafka_producer_has_failed(p->kafka) || now < p->replace_at_ns)
		return;
	log_error("kafka", "the producer failed for good, making a new one");
	metrics_add(p->metrics, M_KAFKA_PRODUCERS_REPLACED, 1);
	kafka_producer_drain(p->kafka, 0);
	kafka_producer_free(p->kafka);
	p->kafka = kafka_producer_new(p->cfg, p->partitions, mailbox_fd(p->actor.mb), on_result, p);
	p->replace_at_ns = now + REPLACE_NS;
}

/* See round_note. How long the actor may sleep. */
static uint64_t hold_next_round(struct producer *p)
{
	const uint64_t now = clock_mono_ns();
	if (p->inflight == 0 || p->inflight >= ROUND_RECORDS || p->stalled)
		p->held_until_ns = 0;
	else if (p->took)
		p->held_until_ns = now + (uint64_t)p->cfg->kafka_linger_us * NS_PER_US;
	else if (now >= p->held_until_ns)
		p->held_until_ns = 0;
	p->took = false;
	const uint64_t look_ns = p->inflight > 0 ? LOOK_NS : IDLE_NS;
	const uint64_t left_ns = p->held_until_ns == 0 ? look_ns : p->held_until_ns - now;
	return left_ns < look_ns ? left_ns : look_ns;
}

static uint64_t on_idle(void *self)
{
	struct producer *p = self;
	send_round(p);
	kafka_producer_poll(p->kafka);
	replace_failed(p);
	judge(p);
	return hold_next_round(p);
}

static bool is_full(void *self)
{
	const struct producer *p = self;
	return p->held_until_ns != 0;
}

static void init(void *self)
{
	struct producer *p = self;
	p->kafka = kafka_producer_new(p->cfg, p->partitions, mailbox_fd(p->actor.mb), on_result, p);
}

static void fini(void *self)
{
	struct producer *p = self;
	send_round(p);
	kafka_producer_drain(p->kafka, p->cfg->shutdown_timeout_ms / 4);
	kafka_producer_free(p->kafka);
	ASSERT(p->oldest == NULL && p->inflight == 0);
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .is_full = is_full, .fini = fini};

struct producer *producer_start(const struct config *cfg, int32_t partitions, struct mailbox *mb,
				struct mailbox *spool, struct metrics_set *metrics,
				struct health *health)
{
	struct producer *p = xcalloc(1, sizeof(*p));
	p->cfg = cfg;
	p->partitions = partitions;
	p->health = health;
	p->metrics = metrics_block_new(metrics);
	if (spool != NULL) {
		p->spool = mailbox_lane_open(spool, SPOOL_LANE);
		p->drained = mailbox_lane_open(spool, SPOOLER_WINDOW);
	}
	actor_start(&p->actor, &ops, "producer", p, mb);
	return p;
}

void producer_stop(struct producer *p)
{
	if (p == NULL)
		return;
	actor_stop(&p->actor);
	free(p);
}
