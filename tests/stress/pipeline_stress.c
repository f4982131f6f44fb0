/*
 * The actors behind Kafka, all at once, on a real PostgreSQL and Redis: for the thread sanitizer.
 *
 * This program plays the consumer: it claims partitions, sends their records to two writers, and
 * revokes and claims again in between. Other threads play HTTP workers and ask the live, query and
 * journal actors. At the end everything stops in the order of main.c, and PostgreSQL must hold each
 * event once.
 *
 * It stands for the whole program under the thread sanitizer, which cannot run librdkafka: that
 * library starts its threads with C11's thrd_create, which this compiler's sanitizer does not know.
 *
 * Needs the options of a migrated database and a Redis in the environment
 * (tests/integration/test_actors.py).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test.h"

#include "actors/counter.h"
#include "actors/history.h"
#include "actors/journal.h"
#include "actors/live.h"
#include "actors/query.h"
#include "actors/registrar.h"
#include "actors/writer.h"
#include "domain/msg.h"
#include "domain/partition.h"
#include "net/table.h"
#include "store/fence.h"
#include "util/clock.h"

#define PARTITIONS 4
#define WRITERS 2
#define ASKERS 4
#define ROUNDS 40
#define RECORDS 50 /* of a partition in a round */
#define LANES 16
#define ANSWER_NS (20 * NS_PER_S)

struct pipeline {
	struct config cfg;
	struct metrics_set *metrics;
	struct health health;
	struct partition_gauge gauges[EVENT_KINDS][PARTITIONS];
	struct partition_gauge *gauge_rows[EVENT_KINDS];
	struct history_cache *cache;
	struct recent_days *recent;
	struct registry *registry;
	struct mailbox *counter_mb, *live_mb, *history_mb, *journal_mb, *query_mb, *registrar_mb,
		*writer_mbs[WRITERS];
	struct counter *counter;
	struct live *live;
	struct history *history;
	struct journal *journal;
	struct query *query;
	struct registrar *registrar;
	struct writer *writers[WRITERS];
	struct lane *to_writers[WRITERS];
	struct pg *pg;
	struct fence claims[PARTITIONS];
	struct uuid campaign;
	atomic_bool stop;
	_Atomic int64_t answers;
};

static void start(struct pipeline *p)
{
	const struct uuid deployment = {{1}};
	config_load(&p->cfg, NULL);
	p->metrics = metrics_set_new();
	p->cache = history_cache_new(p->cfg.history_cache_days, table_add_day);
	p->recent = recent_days_new();
	p->counter_mb = mailbox_new("counter", LANES, false);
	p->live_mb = mailbox_new("live", LANES, false);
	p->history_mb = mailbox_new("history", LANES, false);
	p->journal_mb = mailbox_new("journal", LANES, false);
	p->query_mb = mailbox_new("query-0", LANES, false);
	p->registrar_mb = mailbox_new("registrar", LANES, true);
	p->registry = registry_new();
	for (int k = 0; k < EVENT_KINDS; k++)
		p->gauge_rows[k] = p->gauges[k];
	p->counter = counter_start(&p->cfg, PARTITIONS, &deployment, p->counter_mb, p->metrics,
				   &p->health);
	p->live = live_start(&p->cfg, PARTITIONS, &deployment, p->live_mb, p->counter_mb, p->recent,
			     p->metrics);
	p->history = history_start(&p->cfg, PARTITIONS, p->history_mb, p->live_mb, p->cache,
				   p->metrics, &p->health);
	p->journal = journal_start(&p->cfg, p->journal_mb, p->metrics);
	p->registrar = registrar_start(&p->cfg, p->registrar_mb, p->registry, p->metrics);
	p->query = query_start(&p->cfg, 0, p->query_mb, p->registrar_mb, p->metrics);
	for (unsigned i = 0; i < WRITERS; i++) {
		p->writer_mbs[i] = mailbox_new("writer", 1, false);
		p->to_writers[i] = mailbox_lane_open(p->writer_mbs[i], 31);
		p->writers[i] = writer_start(&p->cfg, i, PARTITIONS, p->writer_mbs[i],
					     p->counter_mb, p->metrics, p->gauge_rows);
	}
	const struct pg_options options = {
		.role = "stress", .timeout_ms = 10000, .lock_timeout_ms = 5000};
	p->pg = pg_new(&p->cfg, metrics_block_new(p->metrics), &options);
}

static void stop(struct pipeline *p)
{
	for (unsigned i = 0; i < WRITERS; i++)
		writer_stop(p->writers[i]);
	history_stop(p->history);
	live_stop(p->live);
	journal_stop(p->journal);
	query_stop(p->query);
	registrar_stop(p->registrar);
	counter_stop(p->counter);
	history_cache_free(p->cache);
	recent_days_free(p->recent);
	registry_free(p->registry);
	for (unsigned i = 0; i < WRITERS; i++)
		mailbox_free(p->writer_mbs[i]);
	mailbox_free(p->counter_mb);
	mailbox_free(p->live_mb);
	mailbox_free(p->history_mb);
	mailbox_free(p->journal_mb);
	mailbox_free(p->query_mb);
	mailbox_free(p->registrar_mb);
	pg_free(p->pg);
	metrics_set_free(p->metrics);
	config_release(&p->cfg);
}

/* Push until there is room. */
static void push(struct lane *lane, struct msg *m)
{
	void *moving = m;
	while (mailbox_push(lane, &moving) != MAILBOX_OK)
		usleep(500);
}

static void claim(struct pipeline *p, int32_t partition)
{
	while (pg_ready(p->pg) != ERR_OK)
		usleep(10000);
	assert_int_equal(fence_claim(p->pg, partition, "stress", &p->claims[partition]), ERR_OK);
	struct msg *m = msg_new(MSG_CLAIMED, 0);
	m->claimed = (struct msg_claimed){partition, p->claims[partition].epoch,
					  p->claims[partition].version};
	push(p->to_writers[partition % WRITERS], m);
}

/* A user whose events belong to @partition; the round makes the ids of its events. */
static struct uuid user_of(int32_t partition)
{
	struct uuid user = {{9}};
	while (partition_of_user(&user, PARTITIONS) != partition)
		user.bytes[15]++;
	return user;
}

static void add_event(struct pipeline *p, struct buf *b, enum event_kind kind, int32_t partition,
		      int64_t number)
{
	struct event e = {
		.kind = kind,
		.id = {{(uint8_t)(kind + 1), (uint8_t)partition, (uint8_t)(number >> 16),
			(uint8_t)(number >> 8), (uint8_t)number}},
		.campaign_id = p->campaign,
		.user_id = user_of(partition),
		.time_ms = clock_wall_ms() / MS_PER_DAY * MS_PER_DAY +
			   number, /* the same in every run of a day */
		.value_minor = 101,
		.source = "s",
		.source_len = 1,
		.type = "t",
		.type_len = 1,
	};
	event_write(&e, b);
}

/* One round of a partition: RECORDS records, every fifth a conversion, offsets from @from on per
 * topic. */
static void send_round(struct pipeline *p, int32_t partition, int round)
{
	struct buf bytes = BUF_INIT;
	size_t ends[RECORDS];
	for (int i = 0; i < RECORDS; i++) {
		add_event(p, &bytes, i % 5 == 4 ? EVENT_CONVERSION : EVENT_CLICK, partition,
			  round * RECORDS + i);
		ends[i] = bytes.len;
	}
	struct msg *m = msg_new(MSG_RECORDS, RECORDS * sizeof(struct record) + bytes.len);
	struct record *records = (struct record *)(void *)m->bytes;
	char *text = m->bytes + RECORDS * sizeof(struct record);
	memcpy(text, bytes.data, bytes.len);
	for (int i = 0; i < RECORDS; i++) {
		const size_t at = i == 0 ? 0 : ends[i - 1];
		const bool is_conversion = i % 5 == 4;
		records[i].topic = is_conversion ? EVENT_CONVERSION : EVENT_CLICK;
		records[i].offset = round * (is_conversion ? RECORDS / 5 : RECORDS - RECORDS / 5) +
				    (is_conversion ? i / 5 : i - i / 5);
		records[i].time_ms = clock_wall_ms();
		records[i].payload = text + at;
		records[i].payload_len = (uint32_t)(ends[i] - at);
	}
	m->records.partition = partition;
	m->records.epoch = p->claims[partition].epoch;
	m->records.n = RECORDS;
	m->records.records = records;
	push(p->to_writers[partition % WRITERS], m);
	buf_release(&bytes);
}

/* Ask one actor and wait; what comes back is freed. */
static void ask(struct pipeline *p, struct completion *c, struct lane *lane, struct msg *m,
		uint64_t bound_ns)
{
	void *answer = NULL;
	m->ticket = completion_begin(c);
	push(lane, m);
	if (completion_wait(c, clock_mono_ns() + bound_ns, &answer)) {
		msg_free(answer);
		atomic_fetch_add(&p->answers, 1);
	}
}

static void ignore(void *context, const struct campaign *c)
{
	int64_t *revisions = context;
	*revisions += c->revision;
}

/* Change the campaign, which may not be registered yet, and read the registry. */
static void use_campaign(struct pipeline *p, struct completion *c, struct lane *query, int i)
{
	int64_t revisions = 0;
	bool more;
	struct msg *m = msg_new(MSG_CAMPAIGN, 0);
	m->campaign = (struct msg_campaign){
		.id = p->campaign,
		.op = CAMPAIGN_PATCH,
		.name = i % 2 == 0 ? "even" : "odd",
	};
	ask(p, c, query, m, i % 5 == 0 ? 1000 : ANSWER_NS);
	const struct registry_filter filter = {.search = "e", .limit = 10};
	(void)!registry_list(p->registry, &filter, ignore, &revisions, &more);
	(void)!registry_find(p->registry, &p->campaign, ignore, &revisions);
}

/* Ask for one of the conversions, which may not be booked yet. */
static void look_up(struct pipeline *p, struct completion *c, struct lane *query, int i)
{
	const struct uuid id = {{EVENT_CONVERSION + 1, 0, 0, 0, 4}};
	struct msg *m = msg_new(i % 2 == 0 ? MSG_EXPLAIN : MSG_TRACE, 0);
	if (m->kind == MSG_EXPLAIN)
		m->explain.explanation = explanation_new(&id, EXPLAIN_LIMIT_DEFAULT);
	else
		m->trace.trace = trace_new(&id);
	ask(p, c, query, m, i % 7 == 0 ? 1000 : ANSWER_NS);
}

static void *ask_all(void *arg)
{
	struct pipeline *p = arg;
	struct completion *c = completion_new();
	struct lane *live = mailbox_lane_open(p->live_mb, 3),
		    *query = mailbox_lane_open(p->query_mb, 3),
		    *journal = mailbox_lane_open(p->journal_mb, 3),
		    *history = mailbox_lane_open(p->history_mb, 3);
	const int32_t today = day_of_ms(clock_wall_ms());
	struct day_totals days[4];
	history_thread_start();
	for (int i = 0; !atomic_load(&p->stop); i++) {
		struct msg *m = msg_new(MSG_LIVE, 0);
		m->live = (struct msg_live){.campaign_id = p->campaign, .day = today};
		ask(p, c, live, m,
		    i % 3 == 0 ? 1000 : ANSWER_NS); /* some leave before the answer */
		m = msg_new(MSG_QUERY, 0);
		m->query =
			(struct msg_query){.campaign_id = p->campaign, .from = today, .to = today};
		ask(p, c, query, m, i % 5 == 0 ? 1000 : ANSWER_NS);
		look_up(p, c, query, i);
		use_campaign(p, c, query, i);
		size_t n = 0;
		int32_t through = 0;
		(void)!history_lookup(p->cache, &p->campaign, today - 3, today, days, &n, &through);
		m = msg_new(MSG_WARM, 0);
		m->warm.campaign_id = p->campaign;
		push(history, m);
		if (i % 20 == 0) {
			m = msg_new(MSG_JOURNAL, 0);
			m->journal = (struct msg_journal){.from = today - 1, .to = today - 1};
			ask(p, c, journal, m, ANSWER_NS);
		}
		struct buf b = BUF_INIT;
		metrics_print(p->metrics, &b);
		buf_release(&b);
	}
	history_thread_stop();
	return c; /* freed when no ticket can be open any more */
}

/* A stop has a deadline, beyond which Kafka would have the rest; here nobody has. */
static void await_booked(struct pipeline *p)
{
	const int64_t clicks = ROUNDS * (RECORDS - RECORDS / 5),
		      conversions = ROUNDS * (RECORDS / 5);
	for (int32_t i = 0; i < PARTITIONS;) {
		struct fence now;
		if (pg_ready(p->pg) == ERR_OK && fence_read(p->pg, i, &now) == ERR_OK &&
		    now.next_offset[EVENT_CLICK] == clicks &&
		    now.next_offset[EVENT_CONVERSION] == conversions)
			i++;
		else
			usleep(50000);
	}
}

static void each_event_is_booked_once(void **state)
{
	static struct pipeline pipeline;
	struct pipeline *p = &pipeline;
	pthread_t askers[ASKERS];
	struct rng rng = rng_start();
	(void)state;
	p->campaign = (struct uuid){{7}};
	start(p);
	for (int32_t i = 0; i < PARTITIONS; i++)
		claim(p, i);
	for (int i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_all, p), 0);
	for (int round = 0; round < ROUNDS; round++) {
		for (int32_t i = 0; i < PARTITIONS; i++) {
			/* A claim in between drops what is queued; the records are then sent again,
			 * as Kafka would. */
			const int from = rng_below(&rng, 10) == 0 ? 0 : round;
			if (from == 0 && round > 0)
				claim(p, i);
			for (int r = from; r <= round; r++)
				send_round(p, i, r);
		}
	}
	await_booked(p);
	atomic_store(&p->stop, true);
	void *completions[ASKERS];
	for (int i = 0; i < ASKERS; i++)
		pthread_join(askers[i], &completions[i]);
	assert_true(p->answers > 0);
	stop(p);
	for (int i = 0; i < ASKERS; i++)
		completion_free(completions[i]);
	assert_int_equal(msg_live_count(), 0);
	print_message("%d events expected, %lld answers\n", ROUNDS * RECORDS * PARTITIONS,
		      (long long)p->answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_event_is_booked_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
