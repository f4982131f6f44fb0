/*
 * librdkafka's consumer with offsets of our own.
 *
 * Runs on the consumer actor's thread. The library's queue writes the actor's eventfd when it
 * becomes non-empty; the actor polls until nothing is left or it is pushed back.
 */
#include "store/kafka_consumer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/kafka.h"
#include "util/log.h"

#define WATERMARK_TIMEOUT_MS 2000

struct kafka_consumer {
	const struct config *cfg;
	const struct kafka_consumer_ops *ops;
	void *context;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *message; /* the one lent out */
	_Atomic bool closing;	     /* callbacks from here on are of nobody's interest */
};

/* The partition numbers of the first topic in @list; range assignment gives the same for every
 * topic. */
static void report_assignment(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
	int32_t *numbers = xcalloc((size_t)list->cnt + 1, sizeof(*numbers));
	int n = 0, others = 0;
	for (int i = 0; i < list->cnt; i++) {
		enum event_kind kind;
		if (!topic_parse(c->cfg, list->elems[i].topic, &kind))
			continue;
		if (kind == EVENT_CLICK)
			numbers[n++] = list->elems[i].partition;
		else
			others++;
	}
	if (others != n * (EVENT_KINDS - 1)) {
		log_error("kafka",
			  "the topics were assigned unequally, taking nothing| clicks=%d others=%d",
			  n, others);
		n = 0;
	}
	c->ops->assigned(c->context, numbers, n);
	free(numbers);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
			 rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kafka_consumer *c = opaque;
	if (atomic_load(&c->closing)) {
		(void)rd_kafka_assign(rk, NULL);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		report_assignment(c, list);
		return;
	}
	if (err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
		log_warn("kafka", "rebalancing failed| error=\"%s\"", rd_kafka_err2str(err));
	(void)rd_kafka_assign(rk, NULL);
	c->ops->revoked(c->context);
}

static rd_kafka_conf_t *consumer_conf(const struct config *cfg, struct kafka_consumer *c)
{
	rd_kafka_conf_t *conf = kafka_conf(cfg);
	kafka_set(conf, "group.id", cfg->kafka_group_id);
	kafka_set(conf, "enable.auto.commit", "false");
	kafka_set(conf, "enable.auto.offset.store", "false");
	/* A position outside the log must be heard of, not silently moved. */
	kafka_set(conf, "auto.offset.reset", "error");
	kafka_set(conf, "partition.assignment.strategy", "range");
	kafka_set(conf, "session.timeout.ms", "6000");
	kafka_set(conf, "heartbeat.interval.ms", "1500");
	kafka_set(conf, "max.poll.interval.ms", "15000");
	kafka_set(conf, "queued.max.messages.kbytes", "16384");
	/* An answer to each request of a producer would cost the broker as much as that request. */
	kafka_set(conf, "fetch.min.bytes", "8192");
	kafka_set(conf, "fetch.wait.max.ms", "50");
	kafka_set(conf, "fetch.error.backoff.ms", "100");
	kafka_set(conf, "check.crcs", "true");
	kafka_set(conf, "allow.auto.create.topics", "false");
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_opaque(conf, c);
	return conf;
}

struct kafka_consumer *kafka_consumer_new(const struct config *cfg, int wake_fd,
					  const struct kafka_consumer_ops *ops, void *context)
{
	static const uint64_t one = 1;
	char error[KAFKA_ERROR_MAX];
	struct kafka_consumer *c = xcalloc(1, sizeof(*c));
	c->cfg = cfg;
	c->ops = ops;
	c->context = context;
	c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, consumer_conf(cfg, c), error, sizeof(error));
	if (c->rk == NULL)
		die("Kafka's consumer cannot start: %s", error);
	rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
	rd_kafka_queue_io_event_enable(c->queue, wake_fd, &one, sizeof(one));
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(EVENT_KINDS);
	for (int k = 0; k < EVENT_KINDS; k++)
		rd_kafka_topic_partition_list_add(topics, topic_name(cfg, (enum event_kind)k),
						  RD_KAFKA_PARTITION_UA);
	const rd_kafka_resp_err_t e = rd_kafka_subscribe(c->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("Kafka refused the subscription: %s", rd_kafka_err2str(e));
	return c;
}

void kafka_consumer_assign(struct kafka_consumer *c, const int32_t *partitions,
			   const int64_t *offsets, int n)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(n * EVENT_KINDS + 1);
	for (int k = 0; k < EVENT_KINDS; k++) {
		for (int i = 0; i < n; i++) {
			const int64_t offset = offsets[k * n + i];
			rd_kafka_topic_partition_list_add(
				list, topic_name(c->cfg, (enum event_kind)k), partitions[i])
				->offset = offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : offset;
		}
	}
	const rd_kafka_resp_err_t e = rd_kafka_assign(c->rk, list);
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_error("kafka", "an assignment was refused| error=\"%s\"", rd_kafka_err2str(e));
	rd_kafka_topic_partition_list_destroy(list);
}

static void report_out_of_range(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
	enum event_kind kind;
	int64_t low = -1, high = -1;
	const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "";
	if (!topic_parse(c->cfg, topic, &kind))
		return;
	if (rd_kafka_query_watermark_offsets(c->rk, topic, m->partition, &low, &high,
					     WATERMARK_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		c->ops->out_of_range(c->context, kind, m->partition, low, high);
}

static enum kafka_poll_result judge_error(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
	if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		report_out_of_range(c, m);
	else if (m->err == RD_KAFKA_RESP_ERR__FATAL)
		return KAFKA_POLL_FATAL;
	else
		log_warn("kafka", "the consumer reports an error| error=\"%s\"",
			 rd_kafka_message_errstr(m));
	return KAFKA_POLL_AGAIN;
}

enum kafka_poll_result kafka_consumer_poll(struct kafka_consumer *c, struct record *record,
					   int32_t *partition)
{
	if (c->message != NULL)
		rd_kafka_message_destroy(c->message);
	c->message = rd_kafka_consumer_poll(c->rk, 0);
	const rd_kafka_message_t *m = c->message;
	if (m == NULL)
		return KAFKA_POLL_NOTHING;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return judge_error(c, m);
	if (!topic_parse(c->cfg, rd_kafka_topic_name(m->rkt), &record->topic))
		return KAFKA_POLL_AGAIN;
	*partition = m->partition;
	record->offset = m->offset;
	record->time_ms = kafka_time_ms(m);
	record->payload = m->payload;
	record->payload_len = (uint32_t)m->len;
	record->key = m->key;
	record->key_len = (uint32_t)m->key_len;
	return KAFKA_POLL_RECORD;
}

int64_t kafka_consumer_end(struct kafka_consumer *c, enum event_kind topic, int32_t partition)
{
	int64_t low, high;
	if (rd_kafka_get_watermark_offsets(c->rk, topic_name(c->cfg, topic), partition, &low,
					   &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high >= 0 ? high : -1;
}

void kafka_consumer_free(struct kafka_consumer *c)
{
	if (c == NULL)
		return;
	if (c->message != NULL)
		rd_kafka_message_destroy(c->message);
	atomic_store(&c->closing, true);
	rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(c->queue);
	if (kafka_destroy(c->rk))
		free(c);
	else
		kafka_keep(c);
}
