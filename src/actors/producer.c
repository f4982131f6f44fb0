/*
 * The producer actor.
 *
 * Runs on its own thread, woken through an eventfd by senders and by librdkafka alike. A message
 * stays with this actor until all of its records have a status, so Kafka's library reads keys and
 * values in place.
 */
#include "actors/producer.h"

#include <stdlib.h>

#include "actors/actor.h"
#include "store/kafka_producer.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_NS (50 * NS_PER_MS)

struct producer {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	struct health *health;
	struct metrics *metrics;

	/* owned by the producer thread */
	struct kafka_producer *kafka;
	struct msg *oldest, *newest; /* messages in flight, in the order they came */
	int64_t inflight;	     /* their records without a status */
	bool stalled;
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

static void on_result(void *context, struct produce_record *record, bool acknowledged)
{
	struct producer *p = context;
	struct msg *m = record->owner;
	record->status = acknowledged ? PRODUCE_ACCEPTED : PRODUCE_RETRY;
	p->inflight--;
	if (--m->produce.pending == 0) {
		unlink_msg(p, m);
		msg_answer(m);
	}
}

static void on_msg(void *self, struct msg *m)
{
	struct producer *p = self;
	ASSERT(m->kind == MSG_PRODUCE);
	m->produce.pending = 0;
	for (uint32_t i = 0; i < m->produce.n; i++) {
		struct produce_record *record = &m->produce.records[i];
		if (p->stalled || kafka_producer_send(p->kafka, record) != ERR_OK)
			record->status = PRODUCE_RETRY;
		else
			m->produce.pending++;
	}
	/* Results are delivered by kafka_producer_poll alone, so none of them has come yet. */
	p->inflight += m->produce.pending;
	if (m->produce.pending == 0)
		msg_answer(m);
	else
		link_msg(p, m);
}

static void judge(struct producer *p)
{
	const uint64_t age_ns = p->oldest != NULL ? clock_mono_ns() - p->oldest->created_ns : 0;
	const bool stalled = age_ns > (uint64_t)p->cfg->kafka_stall_ms * NS_PER_MS;
	if (stalled && !p->stalled)
		log_warn("kafka",
			 "no acknowledgement, refusing events until one comes| oldest_ms=%llu",
			 (unsigned long long)(age_ns / NS_PER_MS));
	if (!stalled && p->stalled)
		log_info("kafka", "acknowledging again");
	p->stalled = stalled;
	const bool up = !stalled && kafka_producer_is_connected(p->kafka);
	atomic_store_explicit(&p->health->kafka, up, memory_order_relaxed);
	metrics_set(p->metrics, M_KAFKA_PRODUCER_UP, up);
	metrics_set(p->metrics, M_KAFKA_INFLIGHT, p->inflight);
	metrics_set(p->metrics, M_KAFKA_OLDEST_MS, (int64_t)(age_ns / NS_PER_MS));
}

static uint64_t on_idle(void *self)
{
	struct producer *p = self;
	kafka_producer_poll(p->kafka);
	judge(p);
	return IDLE_NS;
}

static void init(void *self)
{
	struct producer *p = self;
	p->kafka = kafka_producer_new(p->cfg, mailbox_fd(p->actor.mb), on_result, p);
}

static void fini(void *self)
{
	struct producer *p = self;
	kafka_producer_drain(p->kafka, p->cfg->shutdown_timeout_ms / 4);
	kafka_producer_free(p->kafka);
	ASSERT(p->oldest == NULL && p->inflight == 0);
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct producer *producer_start(const struct config *cfg, struct mailbox *mb,
				struct metrics_set *metrics, struct health *health)
{
	struct producer *p = xcalloc(1, sizeof(*p));
	p->cfg = cfg;
	p->health = health;
	p->metrics = metrics_block_new(metrics);
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
