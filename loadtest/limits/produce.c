/*
 * The limit of batches: librdkafka alone; and what fills a backlog.
 *
 *     build/limits/produce alone MS         values of 220 bytes into the click topic for so long
 *     build/limits/produce backlog EVENTS HOURS CAMPAIGNS
 *
 * Idempotence, acks=all and lz4 or none are the program's own settings but for the linger, since
 * one thread that only produces has full batches; each message is acknowledged before the time is
 * taken. Options come from the environment, as the program's. Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/partition.h"
#include "feed.h"
#include "store/kafka.h"
#include "store/migrate.h"
#include "util/clock.h"
#include "util/log.h"

#define USAGE "produce alone MS | produce backlog EVENTS HOURS CAMPAIGNS"
#define VALUE_BYTES 220
#define KEY_BYTES 36
#define FLUSH_MS 120000
#define POLL_EVERY 1024

struct run {
	struct config cfg;
	struct deployment deployment;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topics[EVENT_KINDS];
	uint64_t sent, failed;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *context)
{
	struct run *run = context;
	(void)rk;
	run->failed += m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void open_producer(struct run *run)
{
	char error[KAFKA_ERROR_MAX];
	rd_kafka_conf_t *conf = kafka_conf(&run->cfg);
	kafka_set(conf, "enable.idempotence", "true");
	kafka_set(conf, "linger.ms", "5");
	kafka_set(conf, "queue.buffering.max.messages", "1000000");
	rd_kafka_conf_set_opaque(conf, run);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	run->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (run->rk == NULL)
		die("no producer: %s", error);
	run->topics[EVENT_CLICK] = rd_kafka_topic_new(run->rk, run->cfg.kafka_click_topic, NULL);
	run->topics[EVENT_CONVERSION] =
		rd_kafka_topic_new(run->rk, run->cfg.kafka_conversion_topic, NULL);
}

/* Connect, and learn who leads the partitions. */
static void await_topics(struct run *run)
{
	for (int k = EVENT_CLICK; k <= EVENT_CONVERSION; k++) {
		const struct rd_kafka_metadata *metadata;
		if (rd_kafka_metadata(run->rk, 0, run->topics[k], &metadata, FLUSH_MS) !=
		    RD_KAFKA_RESP_ERR_NO_ERROR)
			die("Kafka does not answer");
		rd_kafka_metadata_destroy(metadata);
	}
}

static void send_one(struct run *run, enum event_kind kind, int32_t partition, const char *key,
		     const void *value, size_t len)
{
	while (rd_kafka_produce(run->topics[kind], partition, RD_KAFKA_MSG_F_COPY, (void *)value,
				len, key, KEY_BYTES, NULL) != 0) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("Kafka takes no message: %s", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(run->rk, 10);
	}
	if (++run->sent % POLL_EVERY == 0)
		rd_kafka_poll(run->rk, 0);
}

static void send_values(struct run *run, uint64_t ms)
{
	char value[VALUE_BYTES], key[KEY_BYTES + 1];
	struct uuid id;
	const uint64_t until = clock_mono_ns() + ms * NS_PER_MS;
	memset(value, 'x', sizeof(value));
	uuid_v7(clock_wall_ms(), &id);
	uuid_format(&id, key);
	while (clock_mono_ns() < until)
		send_one(run, EVENT_CLICK,
			 (int32_t)(run->sent % (uint64_t)run->deployment.partitions), key, value,
			 sizeof(value));
}

static void send_backlog(struct run *run, char **argv)
{
	struct feed feed;
	struct event event;
	struct buf value = BUF_INIT;
	char key[UUID_TEXT_LEN + 1];
	const uint64_t total = feed_number(argv[2], USAGE);
	feed_init(&feed, total, feed_number(argv[3], USAGE), feed_number(argv[4], USAGE));
	for (uint64_t i = 0; i < total; i++) {
		feed_next(&feed, &event);
		buf_clear(&value);
		event_write(&event, &value);
		uuid_format(&event.user_id, key);
		send_one(run, event.kind,
			 partition_of_user(&event.user_id, run->deployment.partitions), key,
			 value.data, value.len);
	}
	buf_release(&value);
}

int main(int argc, char **argv)
{
	static struct run run;
	const bool alone = argc == 3 && strcmp(argv[1], "alone") == 0;
	if (!alone && !(argc == 5 && strcmp(argv[1], "backlog") == 0)) {
		fprintf(stderr, "usage: %s\n", USAGE);
		return 2;
	}
	struct metrics_set *metrics = metrics_set_new();
	config_load(&run.cfg, "");
	migrate_check(&run.cfg, metrics_block_new(metrics), &run.deployment);
	open_producer(&run);
	await_topics(&run);
	const double cpu = feed_cpu();
	const uint64_t began_ns = clock_mono_ns();
	if (alone)
		send_values(&run, feed_number(argv[2], USAGE));
	else
		send_backlog(&run, argv);
	if (rd_kafka_flush(run.rk, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR || run.failed > 0)
		die("%llu messages were not acknowledged", (unsigned long long)run.failed);
	printf("{\"events\":%llu,\"seconds\":%.6f,\"cpu\":%.3f}\n", (unsigned long long)run.sent,
	       (double)(clock_mono_ns() - began_ns) / 1e9, feed_cpu() - cpu);
	return 0;
}
