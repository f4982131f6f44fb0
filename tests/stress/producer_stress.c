/*
 * Stress of producer and spooler on a mocked cluster: brokers that go away, that answer slowly, and
 * that break the idempotent producer for good.
 *
 * Senders ask for acknowledgements as the HTTP workers do. Every event that was accepted must be in
 * the mocked topics at the end, and nothing may stay in the spool. The library's mock stands in for
 * Kafka here because a real broker cannot be made to answer a wrong sequence number.
 */
#include "test.h"

#include <dirent.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "actors/actor.h"
#include "actors/producer.h"
#include "actors/spooler.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "util/clock.h"
#include "util/completion.h"

#define SENDERS 8
#define PARTITIONS 4
#define TOPICS EVENT_KINDS
#define PRODUCE_API 0
#define BROKER 1
#define IDS_MAX 400000

struct world {
	char dir[64];
	struct config cfg;
	struct metrics_set *metrics;
	struct health health;
	struct uuid deployment;
	rd_kafka_t *rk; /* the mock's */
	rd_kafka_mock_cluster_t *mock;
	struct mailbox *producer_mb, *spooler_mb;
	struct producer *producer;
	struct spooler *spooler;
};

struct sender {
	pthread_t thread;
	struct world *w;
	struct completion *completion;
	struct lane *lane;
	unsigned index;
};

static _Atomic bool stop_senders;
static _Atomic unsigned next_id;
static _Atomic uint8_t accepted[IDS_MAX]; /* by id: was it answered so? */
static _Atomic uint64_t longest_ns;
static _Atomic unsigned refused;

static void start_pipeline(struct world *w)
{
	w->producer_mb = mailbox_new("producer", SENDERS + 1, true);
	w->spooler_mb = mailbox_new("spool", 2, false);
	w->spooler = spooler_start(&w->cfg, PARTITIONS, &w->deployment, w->spooler_mb,
				   w->producer_mb, w->metrics, &w->health);
	w->producer = producer_start(&w->cfg, PARTITIONS, w->producer_mb, w->spooler_mb, w->metrics,
				     &w->health);
}

static void stop_pipeline(struct world *w)
{
	producer_stop(w->producer);
	spooler_stop(w->spooler);
	mailbox_free(w->producer_mb);
	mailbox_free(w->spooler_mb);
}

static int setup(void **state)
{
	char error[256];
	struct world *w = xcalloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/tyr-producer-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof(error));
	assert_non_null(w->rk);
	w->mock = rd_kafka_mock_cluster_new(w->rk, 1);
	assert_non_null(w->mock);
	w->cfg = (struct config){
		.kafka_url = xstrdup(rd_kafka_mock_cluster_bootstraps(w->mock)),
		.kafka_click_topic = xstrdup("clicks"),
		.kafka_conversion_topic = xstrdup("conversions"),
		.kafka_adjustment_topic = xstrdup("adjustments"),
		.kafka_stall_ms = 300,
		.kafka_linger_us = 500,
		.shutdown_timeout_ms = 8000,
		.spool_dir = w->dir,
		.spool_max_bytes = 1 << 28,
		.spool_segment_bytes = 1 << 20,
	};
	for (int k = 0; k < EVENT_KINDS; k++)
		rd_kafka_mock_topic_create(w->mock, topic_name(&w->cfg, (enum event_kind)k),
					   PARTITIONS, 1);
	w->metrics = metrics_set_new();
	stop_senders = false;
	next_id = refused = 0;
	longest_ns = 0;
	for (unsigned i = 0; i < IDS_MAX; i++)
		accepted[i] = 0;
	start_pipeline(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char *command = xasprintf("rm -r %s", w->dir);
	rd_kafka_mock_cluster_destroy(w->mock);
	rd_kafka_destroy(w->rk);
	metrics_set_free(w->metrics);
	free(w->cfg.kafka_url);
	free(w->cfg.kafka_click_topic);
	free(w->cfg.kafka_conversion_topic);
	free(w->cfg.kafka_adjustment_topic);
	assert_int_equal(system(command), 0);
	free(command);
	free(w);
	return 0;
}

/* --- sending ------------------------------------------------------------------------------------
 */

static struct msg *event(unsigned id)
{
	struct uuid user = {.bytes = {(uint8_t)id, (uint8_t)(id >> 8), 1}};
	char key[UUID_TEXT_LEN + 1], value[32];
	uuid_format(&user, key);
	const int len = snprintf(value, sizeof(value), "%u", id);
	struct msg *m = msg_new(MSG_PRODUCE, sizeof(struct produce_record) + sizeof(value));
	struct produce_record *record = (struct produce_record *)(void *)m->bytes;
	*record = (struct produce_record){
		.owner = m,
		.kind = id % 3 == 0 ? EVENT_CONVERSION : EVENT_CLICK,
		.partition = partition_of_user(&user, PARTITIONS),
		.value = memcpy(m->bytes + sizeof(*record), value, sizeof(value)),
		.value_len = (uint32_t)len,
	};
	memcpy(record->key, key, UUID_TEXT_LEN);
	m->produce.records = record;
	m->produce.n = 1;
	return m;
}

static void ask(struct sender *s, unsigned id)
{
	const uint64_t began = clock_mono_ns();
	void *answer = NULL;
	struct msg *m = event(id);
	m->ticket = completion_begin(s->completion);
	assert_true(actor_send(s->lane, m));
	assert_true(completion_wait(s->completion, began + 20 * NS_PER_S, &answer));
	m = answer;
	if (m->produce.records[0].status == PRODUCE_ACCEPTED)
		accepted[id] = 1;
	else
		refused++;
	msg_free(m);
	const uint64_t took = clock_mono_ns() - began;
	uint64_t longest = longest_ns;
	while (took > longest && !atomic_compare_exchange_weak(&longest_ns, &longest, took))
		;
}

static void *send_events(void *arg)
{
	struct sender *s = arg;
	while (!stop_senders) {
		const unsigned id = next_id++;
		assert_true(id < IDS_MAX);
		ask(s, id);
		usleep(500);
	}
	return NULL;
}

static void start_senders(struct world *w, struct sender senders[SENDERS])
{
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){
			.w = w,
			.completion = completion_new(),
			.lane = mailbox_lane_open(w->producer_mb, 4),
			.index = i,
		};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events, &senders[i]),
				 0);
	}
}

static void end_senders(struct sender senders[SENDERS])
{
	stop_senders = true;
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
}

static void free_senders(struct sender senders[SENDERS])
{
	for (unsigned i = 0; i < SENDERS; i++)
		completion_free(senders[i].completion);
}

/* --- judging ------------------------------------------------------------------------------------
 */

/* Wait until a gauge or counter has reached a value. */
static void await(const struct world *w, enum metric id, int64_t low, int64_t high)
{
	const uint64_t until = clock_mono_ns() + 30 * NS_PER_S;
	while (metrics_sum(w->metrics, id) < low || metrics_sum(w->metrics, id) > high) {
		assert_true(clock_mono_ns() < until);
		usleep(10000);
	}
}

static rd_kafka_t *reader(const struct world *w)
{
	char error[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", w->cfg.kafka_url, NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "judge", NULL, 0);
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
	rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	assert_non_null(rk);
	rd_kafka_topic_partition_list_t *all =
		rd_kafka_topic_partition_list_new(TOPICS * PARTITIONS);
	for (int i = 0; i < TOPICS * PARTITIONS; i++)
		rd_kafka_topic_partition_list_add(
			all, topic_name(&w->cfg, (enum event_kind)(i / PARTITIONS)), i % PARTITIONS)
			->offset = RD_KAFKA_OFFSET_BEGINNING;
	assert_int_equal(rd_kafka_assign(rk, all), 0);
	rd_kafka_topic_partition_list_destroy(all);
	return rk;
}

/* Read everything; is every accepted event there? Duplicates are the writers' business. */
static void judge(const struct world *w)
{
	uint8_t *found = xcalloc(IDS_MAX, 1);
	rd_kafka_t *rk = reader(w);
	unsigned ends = 0, n = 0, missing = 0;
	const uint64_t until = clock_mono_ns() + 60 * NS_PER_S;
	while (ends < TOPICS * PARTITIONS) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		assert_true(clock_mono_ns() < until);
		if (m != NULL && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends++;
		if (m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			char *text = xstrndup(m->payload, m->len);
			found[strtoul(text, NULL, 10)] = 1;
			free(text);
			n++;
		}
		if (m != NULL)
			rd_kafka_message_destroy(m);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	for (unsigned i = 0; i < IDS_MAX; i++)
		missing += accepted[i] != 0 && found[i] == 0;
	free(found);
	print_message("%u sent, %u refused, %u messages in Kafka, longest wait %u ms\n",
		      (unsigned)next_id, (unsigned)refused, n, (unsigned)(longest_ns / NS_PER_MS));
	assert_int_equal(missing, 0);
}

static void finish(struct world *w, struct sender senders[SENDERS])
{
	end_senders(senders);
	await(w, M_SPOOL_RECORDS, 0, 0);
	assert_int_equal(refused, 0);
	judge(w);
	stop_pipeline(w);
	free_senders(senders);
	assert_int_equal(msg_live_count(), 0);
}

static void a_broker_that_goes_and_comes_back(void **state)
{
	struct world *w = *state;
	struct sender senders[SENDERS];
	start_senders(w, senders);
	usleep(500000);
	for (int i = 0; i < 3; i++) {
		rd_kafka_mock_broker_set_down(w->mock, BROKER);
		usleep(1500000);
		rd_kafka_mock_broker_set_up(w->mock, BROKER);
		usleep(1500000);
	}
	assert_true(metrics_sum(w->metrics, M_SPOOL_APPENDED) > 0);
	assert_true(longest_ns < 5 * NS_PER_S);
	finish(w, senders);
}

static void a_broker_that_hesitates(void **state)
{
	struct world *w = *state;
	struct sender senders[SENDERS];
	start_senders(w, senders);
	usleep(500000);
	rd_kafka_mock_broker_set_rtt(w->mock, BROKER, 900);
	usleep(3000000);
	rd_kafka_mock_broker_set_rtt(w->mock, BROKER, 0);
	await(w, M_SPOOL_APPENDED, 1, INT64_MAX);
	finish(w, senders);
}

static void a_producer_that_fails_for_good(void **state)
{
	struct world *w = *state;
	struct sender senders[SENDERS];
	start_senders(w, senders);
	usleep(500000);
	for (int i = 1; i <= 3; i++) {
		rd_kafka_mock_push_request_errors(w->mock, PRODUCE_API, 1,
						  RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
		await(w, M_KAFKA_PRODUCERS_REPLACED, i, i);
		usleep(1200000);
	}
	finish(w, senders);
}

static void a_stop_while_kafka_is_down(void **state)
{
	struct world *w = *state;
	struct sender senders[SENDERS];
	start_senders(w, senders);
	usleep(500000);
	rd_kafka_mock_broker_set_down(w->mock, BROKER);
	await(w, M_SPOOL_RECORDS, 500, INT64_MAX);
	end_senders(senders);
	const uint64_t began = clock_mono_ns();
	stop_pipeline(w);
	assert_true(clock_mono_ns() - began < 8 * NS_PER_S);
	free_senders(senders);
	assert_int_equal(msg_live_count(), 0);
	rd_kafka_mock_broker_set_up(w->mock, BROKER);
	metrics_set_free(w->metrics); /* as in a new process */
	w->metrics = metrics_set_new();
	start_pipeline(w);
	await(w, M_SPOOL_DRAINED, 500, INT64_MAX);
	await(w, M_SPOOL_RECORDS, 0, 0);
	judge(w);
	stop_pipeline(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_broker_that_goes_and_comes_back),
		TEST(a_broker_that_hesitates),
		TEST(a_producer_that_fails_for_good),
		TEST(a_stop_while_kafka_is_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
