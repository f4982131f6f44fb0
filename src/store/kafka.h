/*
 * What every use of librdkafka here shares: settings, logs, and the topics themselves.
 *
 * Overview: kafka_conf() gives the settings of a connection to the brokers; the topics are made by
 * migrate and checked at start: their partition counts must equal the recorded one. Threads: main,
 * before actors start; librdkafka's own threads write its log lines.
 */
#ifndef STORE_KAFKA_H
#define STORE_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "domain/topic.h"
#include "util/config.h"

#define KAFKA_ERROR_MAX 512

/** Settings common to producer, consumer and admin; the caller owns them until rd_kafka_new takes
 * them. */
rd_kafka_conf_t *kafka_conf(const struct config *cfg) MUST_CHECK;

/** Set one property; an unknown name or value is a bug. */
void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);

/** The time of a message, milliseconds since 1970. A producer may write anything there: 0 for what
 * is no time between 1970 and 9999. */
int64_t kafka_time_ms(const rd_kafka_message_t *m);

/**
 * Destroy a producer or consumer, in a thread of its own, since the library may hang in it. False:
 * it is not done after five seconds and goes on there; what its callbacks use must stay.
 * @thread any
 */
bool kafka_destroy(rd_kafka_t *rk);

/**
 * Keep what a library that hangs may still use: it is never freed, and found by whoever looks for
 * leaks. @thread any
 */
void kafka_keep(void *used);

/** Create the topics that are missing. False: @error says why. @thread main */
bool kafka_create_topics(const struct config *cfg, int32_t partitions,
			 char error[KAFKA_ERROR_MAX]) MUST_CHECK;

/** The partition count of each topic, 0 for one that does not exist. False: no broker
 * answered in @timeout_ms. */
bool kafka_count_partitions(const struct config *cfg, int timeout_ms, int32_t counts[EVENT_KINDS],
			    char error[KAFKA_ERROR_MAX]) MUST_CHECK;

#endif
