/*
 * Asking for the ends of all partitions in one request.
 *
 * Runs on main, in tools.
 */
#include "store/kafka_ends.h"

#include <stdio.h>

#include "store/kafka.h"

/* Ask for the end of every partition in one request; they come back in the order asked. That
 * request would wait long for brokers that are down, so they are asked for their topics first. */
static bool take_ends(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int32_t partitions,
		      int timeout_ms, int64_t *const ends[EVENT_KINDS],
		      char error[KAFKA_ENDS_ERROR_MAX])
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 1, NULL, &metadata, timeout_ms);
	if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_metadata_destroy(metadata);
		e = rd_kafka_offsets_for_times(rk, list, timeout_ms);
	}
	for (int i = 0; e == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
		ends[i / partitions][i % partitions] = list->elems[i].offset;
		e = list->elems[i].err;
	}
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		snprintf(error, KAFKA_ENDS_ERROR_MAX, "%s", rd_kafka_err2str(e));
	return e == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool kafka_end_offsets(const struct config *cfg, int32_t partitions, int timeout_ms,
		       int64_t *const ends[EVENT_KINDS], char error[KAFKA_ENDS_ERROR_MAX])
{
	rd_kafka_conf_t *conf = kafka_conf(cfg);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, KAFKA_ENDS_ERROR_MAX);
	if (rk == NULL) {
		rd_kafka_conf_destroy(conf);
		return false;
	}
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(partitions * EVENT_KINDS);
	for (int k = 0; k < EVENT_KINDS; k++) {
		for (int32_t p = 0; p < partitions; p++)
			rd_kafka_topic_partition_list_add(list, topic_name(cfg, (enum event_kind)k),
							  p)
				->offset = RD_KAFKA_OFFSET_END;
	}
	const bool ok = take_ends(rk, list, partitions, timeout_ms, ends, error);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return ok;
}
