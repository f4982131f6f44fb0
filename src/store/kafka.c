/*
 * librdkafka's common settings, and the topics through its admin API.
 *
 * Runs on main (topics) and on librdkafka's threads (log lines).
 */
#include "store/kafka.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/event_count.h"
#include "util/log.h"

#define ADMIN_TIMEOUT_MS 10000
#define DESTROY_WAIT_NS (5 * NS_PER_S)
#define KEPT_MAX 256
#define TIME_END_MS 253402300800000 /* the year 10000 */

/* A destroy that is under way. Freed by whichever of the two threads lets go of it last. */
struct destroy {
	rd_kafka_t *rk;
	struct event_count done;
	_Atomic int holders;
};

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
	(void)rk;
	if (level <= 3) /* syslog: emerg, alert, crit, err */
		log_warn("kafka", "%s| facility=%s", buf, fac);
	else
		log_debug("kafka", "%s| facility=%s", buf, fac);
}

void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[KAFKA_ERROR_MAX];
	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		die("Kafka refused the setting %s=%s: %s", name, value, error);
}

void kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, value);
	kafka_set(conf, name, text);
}

rd_kafka_conf_t *kafka_conf(const struct config *cfg)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	kafka_set(conf, "bootstrap.servers", cfg->kafka_url);
	kafka_set(conf, "client.id", "tyrattribution");
	kafka_set(conf, "socket.nagle.disable", "true");
	kafka_set(conf, "socket.timeout.ms", "15000");
	kafka_set(conf, "reconnect.backoff.ms", "50");
	kafka_set(conf, "reconnect.backoff.max.ms", "1000");
	kafka_set(conf, "topic.metadata.refresh.interval.ms", "30000");
	rd_kafka_conf_set_log_cb(conf, on_log);
	return conf;
}

static void let_go(struct destroy *d)
{
	if (atomic_fetch_sub(&d->holders, 1) == 1)
		free(d);
}

static void *destroy_now(void *arg)
{
	struct destroy *d = arg;
	rd_kafka_destroy(d->rk);
	event_count_wake(&d->done);
	let_go(d);
	return NULL;
}

bool kafka_destroy(rd_kafka_t *rk)
{
	pthread_t thread;
	struct destroy *d = xcalloc_aligned(1, sizeof(*d));
	d->rk = rk;
	d->holders = 2;
	const uint32_t before = event_count_value(&d->done);
	if (pthread_create(&thread, NULL, destroy_now, d) != 0) {
		rd_kafka_destroy(rk);
		free(d);
		return true;
	}
	pthread_detach(thread);
	const uint64_t until = clock_mono_ns() + DESTROY_WAIT_NS;
	while (event_count_value(&d->done) == before && clock_mono_ns() < until)
		(void)event_count_wait(&d->done, before, until);
	const bool done = event_count_value(&d->done) != before;
	if (!done)
		log_error("kafka", "the library hangs while it is closed, going on without it");
	let_go(d);
	return done;
}

void kafka_keep(void *used)
{
	static _Atomic(void *) kept[KEPT_MAX];
	static atomic_uint n;
	const unsigned place = atomic_fetch_add(&n, 1);
	if (place < KEPT_MAX)
		atomic_store(&kept[place], used);
}

int64_t kafka_time_ms(const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t type;
	const int64_t ms = rd_kafka_message_timestamp(m, &type);
	return ms > 0 && ms < TIME_END_MS ? ms : 0;
}

static rd_kafka_t *admin_new(const struct config *cfg, char error[KAFKA_ERROR_MAX])
{
	rd_kafka_conf_t *conf = kafka_conf(cfg);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, KAFKA_ERROR_MAX);
	if (rk == NULL)
		rd_kafka_conf_destroy(conf);
	return rk;
}

static rd_kafka_NewTopic_t *describe_topic(const struct config *cfg, enum event_kind kind,
					   int32_t partitions, char error[KAFKA_ERROR_MAX])
{
	char retention[24];
	rd_kafka_NewTopic_t *topic =
		rd_kafka_NewTopic_new(topic_name(cfg, kind), partitions,
				      (int)cfg->kafka_replication, error, KAFKA_ERROR_MAX);
	if (topic == NULL)
		return NULL;
	snprintf(retention, sizeof(retention), "%" PRId64, cfg->kafka_retention_ms);
	(void)rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
	(void)rd_kafka_NewTopic_set_config(topic, "retention.bytes", "-1");
	(void)rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
	/* all in-sync replicas must mean more than the leader where there are replicas to lose */
	(void)rd_kafka_NewTopic_set_config(topic, "min.insync.replicas",
					   cfg->kafka_replication > 1 ? "2" : "1");
	return topic;
}

/* Wait for the answer to CreateTopics; a topic that is there already is fine. */
static bool topics_created(rd_kafka_queue_t *queue, char error[KAFKA_ERROR_MAX])
{
	rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS + 1000);
	if (ev == NULL || rd_kafka_event_error(ev) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		snprintf(error, KAFKA_ERROR_MAX, "%s",
			 ev != NULL ? rd_kafka_event_error_string(ev) : "no answer");
		rd_kafka_event_destroy(ev);
		return false;
	}
	bool ok = true;
	size_t n;
	const rd_kafka_topic_result_t **results =
		rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
	for (size_t i = 0; i < n; i++) {
		const rd_kafka_resp_err_t e = rd_kafka_topic_result_error(results[i]);
		if (e == RD_KAFKA_RESP_ERR_NO_ERROR || e == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			continue;
		snprintf(error, KAFKA_ERROR_MAX, "topic %s: %s",
			 rd_kafka_topic_result_name(results[i]),
			 rd_kafka_topic_result_error_string(results[i]));
		ok = false;
	}
	rd_kafka_event_destroy(ev);
	return ok;
}

bool kafka_create_topics(const struct config *cfg, int32_t partitions, char error[KAFKA_ERROR_MAX])
{
	rd_kafka_t *rk = admin_new(cfg, error);
	if (rk == NULL)
		return false;
	rd_kafka_NewTopic_t *topics[EVENT_KINDS] = {NULL};
	bool ok = true;
	for (int k = 0; k < EVENT_KINDS && ok; k++) {
		topics[k] = describe_topic(cfg, (enum event_kind)k, partitions, error);
		ok = topics[k] != NULL;
	}
	if (ok) {
		rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
		rd_kafka_AdminOptions_t *options =
			rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
		(void)rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_TIMEOUT_MS, NULL,
								  0);
		(void)rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, NULL, 0);
		rd_kafka_CreateTopics(rk, topics, EVENT_KINDS, options, queue);
		ok = topics_created(queue, error);
		rd_kafka_AdminOptions_destroy(options);
		rd_kafka_queue_destroy(queue);
	}
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (topics[k] != NULL)
			rd_kafka_NewTopic_destroy(topics[k]);
	}
	(void)kafka_destroy(rk);
	return ok;
}

bool kafka_count_partitions(const struct config *cfg, int timeout_ms, int32_t counts[EVENT_KINDS],
			    char error[KAFKA_ERROR_MAX])
{
	rd_kafka_t *rk = admin_new(cfg, error);
	if (rk == NULL)
		return false;
	const struct rd_kafka_metadata *metadata = NULL;
	const rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 1, NULL, &metadata, timeout_ms);
	for (int k = 0; k < EVENT_KINDS; k++) {
		counts[k] = 0;
		for (int i = 0; e == RD_KAFKA_RESP_ERR_NO_ERROR && i < metadata->topic_cnt; i++) {
			if (strcmp(metadata->topics[i].topic,
				   topic_name(cfg, (enum event_kind)k)) == 0)
				counts[k] = metadata->topics[i].partition_cnt;
		}
	}
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		snprintf(error, KAFKA_ERROR_MAX, "%s", rd_kafka_err2str(e));
	else
		rd_kafka_metadata_destroy(metadata);
	(void)kafka_destroy(rk);
	return e == RD_KAFKA_RESP_ERR_NO_ERROR;
}
