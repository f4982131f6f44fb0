/*
 * librdkafka's consumer with partitions assigned by hand.
 *
 * Runs on the thread of a tool.
 */
#include "store/kafka_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/kafka.h"

#define ASK_TIMEOUT_MS 10000

struct kafka_log {
	const struct config *cfg;
	rd_kafka_t *rk;
	rd_kafka_message_t *message; /* the one lent out */
	int32_t partition;	     /* the one that is open */
	char error[KAFKA_ERROR_MAX];
};

struct kafka_log *kafka_log_new(const struct config *cfg)
{
	char error[KAFKA_ERROR_MAX];
	struct kafka_log *log = xcalloc(1, sizeof(*log));
	rd_kafka_conf_t *conf = kafka_conf(cfg);
	kafka_set(conf, "group.id", cfg->kafka_group_id); /* the library wants one; never joined */
	kafka_set(conf, "enable.auto.commit", "false");
	kafka_set(conf, "enable.auto.offset.store", "false");
	kafka_set(conf, "enable.partition.eof", "true");
	kafka_set(conf, "auto.offset.reset", "error");
	kafka_set(conf, "fetch.error.backoff.ms", "100");
	kafka_set(conf, "queued.max.messages.kbytes", "16384");
	kafka_set(conf, "check.crcs", "true");
	kafka_set(conf, "allow.auto.create.topics", "false");
	log->cfg = cfg;
	log->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	if (log->rk == NULL)
		die("Kafka's consumer cannot start: %s", error);
	rd_kafka_poll_set_consumer(log->rk);
	return log;
}

void kafka_log_free(struct kafka_log *log)
{
	if (log == NULL)
		return;
	if (log->message != NULL)
		rd_kafka_message_destroy(log->message);
	rd_kafka_destroy(log->rk);
	free(log);
}

const char *kafka_log_topic(const struct kafka_log *log, enum event_kind topic)
{
	return topic_name(log->cfg, topic);
}

const char *kafka_log_error(const struct kafka_log *log)
{
	return log->error;
}

/* Note what went wrong with a topic's partition; always false. */
static bool failed(struct kafka_log *log, enum event_kind topic, int32_t partition,
		   rd_kafka_resp_err_t e)
{
	snprintf(log->error, sizeof(log->error), "%s partition %d: %s", topic_name(log->cfg, topic),
		 partition, rd_kafka_err2str(e));
	return false;
}

bool kafka_log_bounds(struct kafka_log *log, enum event_kind topic, int32_t partition, int64_t *low,
		      int64_t *end)
{
	const rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(
		log->rk, topic_name(log->cfg, topic), partition, low, end, ASK_TIMEOUT_MS);
	return e == RD_KAFKA_RESP_ERR_NO_ERROR || failed(log, topic, partition, e);
}

bool kafka_log_at_time(struct kafka_log *log, enum event_kind topic, int32_t partition, int64_t ms,
		       int64_t *offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *one =
		rd_kafka_topic_partition_list_add(list, topic_name(log->cfg, topic), partition);
	one->offset = ms;
	rd_kafka_resp_err_t e = rd_kafka_offsets_for_times(log->rk, list, ASK_TIMEOUT_MS);
	if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
		e = one->err;
	*offset = one->offset >= 0 ? one->offset : -1;
	rd_kafka_topic_partition_list_destroy(list);
	return e == RD_KAFKA_RESP_ERR_NO_ERROR || failed(log, topic, partition, e);
}

bool kafka_log_open(struct kafka_log *log, int32_t partition, const int64_t from[EVENT_KINDS])
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(EVENT_KINDS);
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (from[k] >= 0)
			rd_kafka_topic_partition_list_add(
				list, topic_name(log->cfg, (enum event_kind)k), partition)
				->offset = from[k];
	}
	log->partition = partition;
	snprintf(log->error, sizeof(log->error), "no message came");
	const rd_kafka_resp_err_t e = rd_kafka_assign(log->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return e == RD_KAFKA_RESP_ERR_NO_ERROR || failed(log, EVENT_CLICK, partition, e);
}

static bool find_topic(const struct kafka_log *log, const rd_kafka_message_t *m,
		       enum event_kind *out)
{
	return m->rkt != NULL && topic_parse(log->cfg, rd_kafka_topic_name(m->rkt), out);
}

static enum kafka_log_result judge_error(struct kafka_log *log, const rd_kafka_message_t *m,
					 bool has_topic)
{
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && has_topic)
		return KAFKA_LOG_END;
	snprintf(log->error, sizeof(log->error), "%s", rd_kafka_message_errstr(m));
	/* without the end of the log, everything but these is temporary or heals by itself */
	return m->err == RD_KAFKA_RESP_ERR__FATAL || m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
		       ? KAFKA_LOG_FAILED
		       : KAFKA_LOG_NOTHING;
}

enum kafka_log_result kafka_log_next(struct kafka_log *log, int timeout_ms, struct record *record)
{
	if (log->message != NULL)
		rd_kafka_message_destroy(log->message);
	log->message = rd_kafka_consumer_poll(log->rk, timeout_ms);
	const rd_kafka_message_t *m = log->message;
	if (m == NULL || (m->rkt != NULL && m->partition != log->partition))
		return KAFKA_LOG_NOTHING;
	const bool has_topic = find_topic(log, m, &record->topic);
	record->offset = m->offset;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || !has_topic)
		return judge_error(log, m, has_topic);
	record->time_ms = kafka_time_ms(m);
	record->payload = m->payload;
	record->payload_len = (uint32_t)m->len;
	record->key = m->key;
	record->key_len = (uint32_t)m->key_len;
	return KAFKA_LOG_RECORD;
}
