/*
 * The spool actor.
 *
 * Runs on its own thread. A turn takes what is in the mailbox, makes it durable in one commit and
 * answers; then it drains. While Kafka is down the producer sends what is drained straight back,
 * but for one message that serves it as a probe.
 */
#include "actors/spooler.h"

#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "domain/partition.h"
#include "store/spool.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_NS (100 * NS_PER_MS)
#define AGAIN_NS (100 * NS_PER_MS)
#define DRAIN_RECORDS 256
#define DRAIN_BYTES ((size_t)256 * 1024)

struct spooler {
	struct actor actor;

	/* set before start, then read-only */
	int32_t partitions;
	struct health *health;
	struct metrics *metrics;
	struct lane *producer;

	/* owned by the spool thread */
	struct spool *spool;
	struct msg *group[ACTOR_BATCH]; /* appended, to be answered after the commit */
	unsigned group_n;
	struct msg *again[SPOOLER_WINDOW]; /* drained, not taken by Kafka */
	unsigned again_n;
	uint64_t again_at_ns;
	unsigned out; /* messages with the producer */
	struct buf bytes;
};

/* --- keeping ---------------------------------------------------------------------------------- */

static void commit(struct spooler *s)
{
	const bool durable = spool_commit(s->spool) == ERR_OK;
	metrics_set(s->metrics, M_SPOOL_RECORDS, (int64_t)spool_records(s->spool));
	for (unsigned i = 0; i < s->group_n; i++) {
		struct msg_produce *p = &s->group[i]->produce;
		for (uint32_t k = 0; k < p->n; k++) {
			if (p->records[k].status != PRODUCE_PENDING)
				continue;
			p->records[k].status = durable ? PRODUCE_ACCEPTED : PRODUCE_RETRY;
			metrics_add(s->metrics, M_SPOOL_REFUSED, !durable);
		}
		msg_answer(s->group[i]);
	}
	s->group_n = 0;
}

static void keep(struct spooler *s, struct msg *m)
{
	for (uint32_t i = 0; i < m->produce.n; i++) {
		struct produce_record *r = &m->produce.records[i];
		const struct spool_record record = {
			.kind = r->kind,
			.key = r->key,
			.value = r->value,
			.value_len = r->value_len,
		};
		if (r->status != PRODUCE_PENDING || spool_append(s->spool, &record) == ERR_OK)
			continue;
		r->status = PRODUCE_RETRY;
		metrics_add(s->metrics, M_SPOOL_REFUSED, 1);
	}
	s->group[s->group_n++] = m;
	if (s->group_n == ACTOR_BATCH)
		commit(s);
}

/* --- draining --------------------------------------------------------------------------------- */

/* The next records of the spool as one message; NULL: there are none now. */
static struct msg *next_message(struct spooler *s)
{
	struct produce_record records[DRAIN_RECORDS];
	struct spool_record r;
	struct uuid user;
	uint32_t n = 0;
	uint64_t segment;
	buf_clear(&s->bytes);
	while (n < DRAIN_RECORDS && s->bytes.len < DRAIN_BYTES &&
	       spool_next(s->spool, &r, &segment)) {
		ASSERT(uuid_parse(r.key, UUID_TEXT_LEN, &user));
		records[n] = (struct produce_record){
			.kind = r.kind,
			.partition = partition_of_user(&user, s->partitions),
			.value_len = r.value_len,
			.segment = segment,
		};
		memcpy(records[n].key, r.key, sizeof(records[n].key));
		buf_add(&s->bytes, r.value, r.value_len);
		n++;
	}
	if (n == 0)
		return NULL;
	struct msg *m = msg_new(MSG_DRAIN, n * sizeof(*records) + s->bytes.len);
	char *value = m->bytes + n * sizeof(*records);
	m->produce.records = memcpy(m->bytes, records, n * sizeof(*records));
	m->produce.n = n;
	if (s->bytes.len > 0)
		memcpy(value, s->bytes.data, s->bytes.len);
	for (uint32_t i = 0; i < n; i++) {
		m->produce.records[i].owner = m;
		m->produce.records[i].value = value;
		value += records[i].value_len;
	}
	return m;
}

/* Nothing is lost when the producer has no room or has stopped: the message waits. */
static bool send_out(struct spooler *s, struct msg *m)
{
	void *moving = m;
	m->created_ns = clock_mono_ns();
	if (mailbox_push(s->producer, &moving) == MAILBOX_OK) {
		s->out++;
		return true;
	}
	s->again[s->again_n++] = m;
	s->again_at_ns = clock_mono_ns() + AGAIN_NS;
	return false;
}

static void drain(struct spooler *s)
{
	if (s->again_n > 0 && clock_mono_ns() < s->again_at_ns)
		return;
	while (s->again_n > 0) {
		if (!send_out(s, s->again[--s->again_n]))
			return;
	}
	struct msg *m;
	while (s->out < SPOOLER_WINDOW && (m = next_message(s)) != NULL) {
		if (!send_out(s, m))
			return;
	}
}

static void take_back(struct spooler *s, struct msg *m)
{
	bool all = true;
	ASSERT(s->out > 0);
	s->out--;
	for (uint32_t i = 0; i < m->produce.n; i++) {
		struct produce_record *r = &m->produce.records[i];
		if (r->status != PRODUCE_ACCEPTED) {
			all = false;
		} else if (r->segment != 0) {
			spool_done(s->spool, r->segment);
			r->segment = 0;
		}
	}
	if (all) {
		msg_free(m);
		return;
	}
	s->again[s->again_n++] = m;
	s->again_at_ns = clock_mono_ns() + AGAIN_NS;
}

/* --- the actor -------------------------------------------------------------------------------- */

static void on_msg(void *self, struct msg *m)
{
	if (m->kind == MSG_DRAIN)
		take_back(self, m);
	else
		keep(self, m);
}

static uint64_t on_idle(void *self)
{
	struct spooler *s = self;
	commit(s);
	drain(s);
	const bool room = spool_has_room(s->spool);
	atomic_store_explicit(&s->health->spool, room, memory_order_relaxed);
	metrics_set(s->metrics, M_SPOOL_ROOM, room);
	metrics_set(s->metrics, M_SPOOL_RECORDS, (int64_t)spool_records(s->spool));
	metrics_set(s->metrics, M_SPOOL_BYTES, (int64_t)spool_bytes(s->spool));
	return IDLE_NS;
}

static void fini(void *self)
{
	struct spooler *s = self;
	commit(s);
	ASSERT(s->out == 0);
	while (s->again_n > 0)
		msg_free(s->again[--s->again_n]);
	if (spool_records(s->spool) > 0)
		log_warn("spool",
			 "events stay in the spool and go to Kafka after the next start| "
			 "records=%llu",
			 (unsigned long long)spool_records(s->spool));
	spool_close(s->spool);
	buf_release(&s->bytes);
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct spooler *spooler_start(const struct config *cfg, int32_t partitions,
			      const struct uuid *deployment, struct mailbox *mb,
			      struct mailbox *producer, struct metrics_set *metrics,
			      struct health *health)
{
	struct spooler *s = xcalloc(1, sizeof(*s));
	s->partitions = partitions;
	s->health = health;
	s->metrics = metrics_block_new(metrics);
	s->producer = mailbox_lane_open(producer, SPOOLER_WINDOW);
	s->spool = spool_open(cfg, s->metrics, deployment);
	actor_start(&s->actor, &ops, "spool", s, mb);
	return s;
}

void spooler_stop(struct spooler *s)
{
	if (s == NULL)
		return;
	actor_stop(&s->actor);
	free(s);
}
