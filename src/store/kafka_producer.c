/*
 * librdkafka's idempotent producer behind a result callback.
 *
 * Runs on the producer actor's thread. Results arrive as delivery-report events on the main queue,
 * many to one event, and librdkafka writes the actor's eventfd when that queue becomes non-empty;
 * so the queue is always emptied.
 */
#include "store/kafka_producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/kafka.h"
#include "util/clock.h"
#include "util/log.h"

#define EVENT_MESSAGES 512
#define LINGER_MS "0"  /* the library would wait for whole milliseconds; the caller makes rounds */
#define REQUESTS_MAX 5 /* the most that idempotence allows */
#define PURGE_NS (10 * NS_PER_S)

struct kafka_producer {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_t *topics[EVENT_KINDS];
	kafka_result_fn *result;
	void *context;
	bool connected;
	bool failed;
};

/* A request carries one partition's events, and a broker works at one request of a connection at a
 * time. So with few partitions more requests under way would only carry fewer events each; with
 * many, each partition would wait for all others' ways to the broker and back. */
static int64_t requests_in_flight(int32_t partitions)
{
	const int64_t half = partitions / 2;
	return half < 1 ? 1 : half > REQUESTS_MAX ? REQUESTS_MAX : half;
}

static rd_kafka_conf_t *producer_conf(const struct config *cfg, int32_t partitions)
{
	rd_kafka_conf_t *conf = kafka_conf(cfg);
	kafka_set(conf, "enable.idempotence", "true"); /* with it: acks=all, retries, order */
	kafka_set(conf, "linger.ms", LINGER_MS);
	kafka_set_int(conf, "max.in.flight", requests_in_flight(partitions));
	kafka_set(conf, "queue.buffering.max.messages", "200000");
	kafka_set(conf, "queue.buffering.max.kbytes", "262144");
	/* Long, since giving up early makes gaps and duplicates; the HTTP deadline is our own. */
	kafka_set(conf, "message.timeout.ms", "120000");
	kafka_set(conf, "request.timeout.ms", "10000");
	kafka_set(conf, "statistics.interval.ms", "2000");
	rd_kafka_conf_set_events(conf,
				 RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_ERROR);
	return conf;
}

bool kafka_producer_check_topics(const struct config *cfg, int32_t partitions, int timeout_ms,
				 char *error, size_t error_size)
{
	char reason[KAFKA_ERROR_MAX];
	int32_t counts[EVENT_KINDS];
	if (!kafka_count_partitions(cfg, timeout_ms, counts, reason)) {
		snprintf(
			error, error_size,
			"Kafka at %s cannot be reached: %s. Is it running, and is KAFKA_URL right?",
			cfg->kafka_url, reason);
		return false;
	}
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (counts[k] == partitions)
			continue;
		snprintf(error, error_size,
			 "the topic %s has %d partitions, but %d are recorded in the database",
			 topic_name(cfg, (enum event_kind)k), counts[k], partitions);
		return false;
	}
	return true;
}

struct kafka_producer *kafka_producer_new(const struct config *cfg, int32_t partitions, int wake_fd,
					  kafka_result_fn *result, void *context)
{
	static const uint64_t one = 1;
	char error[KAFKA_ERROR_MAX];
	struct kafka_producer *p = xcalloc(1, sizeof(*p));
	p->result = result;
	p->connected = true;
	p->context = context;
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, producer_conf(cfg, partitions), error,
			     sizeof(error));
	if (p->rk == NULL)
		die("Kafka's producer cannot start: %s", error);
	for (int k = 0; k < EVENT_KINDS; k++) {
		p->topics[k] = rd_kafka_topic_new(p->rk, topic_name(cfg, (enum event_kind)k), NULL);
		ASSERT(p->topics[k] != NULL);
	}
	p->queue = rd_kafka_queue_get_main(p->rk);
	rd_kafka_queue_io_event_enable(p->queue, wake_fd, &one, sizeof(one));
	return p;
}

enum err kafka_producer_send(struct kafka_producer *p, struct produce_record *record)
{
	if (rd_kafka_produce(p->topics[record->kind], record->partition, 0,
			     (void *)(uintptr_t)record->value, record->value_len, record->key,
			     sizeof(record->key), record) == 0)
		return ERR_OK;
	const rd_kafka_resp_err_t e = rd_kafka_last_error();
	if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return ERR_BUSY;
	p->failed = p->failed || e == RD_KAFKA_RESP_ERR__FATAL;
	log_error("kafka", "the producer refused a message| error=\"%s\"", rd_kafka_err2str(e));
	return ERR_DOWN;
}

static void deliver(struct kafka_producer *p, rd_kafka_event_t *ev)
{
	const rd_kafka_message_t *messages[EVENT_MESSAGES];
	size_t n;
	while ((n = rd_kafka_event_message_array(ev, messages, EVENT_MESSAGES)) > 0) {
		for (size_t i = 0; i < n; i++)
			p->result(p->context, messages[i]->_private,
				  messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR);
	}
}

bool kafka_producer_is_connected(const struct kafka_producer *p)
{
	return p->connected;
}

bool kafka_producer_has_failed(const struct kafka_producer *p)
{
	return p->failed;
}

/* Errors are informational, but for one kind. */
static void note_error(struct kafka_producer *p, rd_kafka_event_t *ev)
{
	char why[KAFKA_ERROR_MAX];
	if (rd_kafka_event_error(ev) != RD_KAFKA_RESP_ERR__FATAL)
		return;
	(void)rd_kafka_fatal_error(p->rk, why, sizeof(why));
	log_error("kafka", "the producer reports a fatal error| error=\"%s\"", why);
	p->failed = true;
}

void kafka_producer_poll(struct kafka_producer *p)
{
	rd_kafka_event_t *ev;
	while ((ev = rd_kafka_queue_poll(p->queue, 0)) != NULL) {
		if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DR)
			deliver(p, ev);
		else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_STATS)
			p->connected = strstr(rd_kafka_event_stats(ev), "\"state\":\"UP\"") != NULL;
		else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
			note_error(p, ev);
		rd_kafka_event_destroy(ev);
	}
}

/* Every message comes back from a purge; one that did not could neither be freed nor answered. */
static void give_up_rest(struct kafka_producer *p)
{
	const uint64_t until = clock_mono_ns() + PURGE_NS;
	(void)rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	while (rd_kafka_outq_len(p->rk) > 0) {
		(void)rd_kafka_flush(p->rk, 10);
		kafka_producer_poll(p);
		if (clock_mono_ns() > until)
			die("Kafka's library does not give its messages back; nothing that was "
			    "acknowledged is lost, ending so that a restart goes on");
	}
}

void kafka_producer_drain(struct kafka_producer *p, int64_t timeout_ms)
{
	const uint64_t until = clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	while (rd_kafka_outq_len(p->rk) > 0 && clock_mono_ns() < until) {
		(void)rd_kafka_flush(p->rk, 10);
		kafka_producer_poll(p);
	}
	if (rd_kafka_outq_len(p->rk) > 0)
		give_up_rest(p);
	kafka_producer_poll(p);
}

void kafka_producer_free(struct kafka_producer *p)
{
	if (p == NULL)
		return;
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(p->queue);
	for (int k = 0; k < EVENT_KINDS; k++)
		rd_kafka_topic_destroy(p->topics[k]);
	(void)kafka_destroy(p->rk); /* it has no callback of ours */
	free(p);
}
