/*
 * Bringing database and topics to what this program expects, and checking at start that they are.
 *
 * Overview: migrations are the numbered files of schema/migrations, each in one transaction, under
 * a lock that lets one process at a time migrate; running twice changes nothing. The partition
 * count is recorded once; topics are created with it and must keep it, since a user's partition
 * depends on it. Threads: main, before actors start.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "util/config.h"
#include "util/metrics.h"
#include "util/uuid.h"

/** Apply what is missing, record the partition count, create the topics. Ends the process with a
 * sentence on failure. */
void migrate_all(const struct config *cfg, struct metrics *metrics);

struct pg;

/** Apply what is missing where @pg finds its tables. Ends the process with a sentence on failure.
 */
void migrate_tables(struct pg *pg);

struct deployment {
	int32_t partitions;
	struct uuid id;
};

/**
 * Check that the schema is this program's and read the deployment, for tools: changes nothing, asks
 * no Kafka. Ends the process with a sentence otherwise.
 */
void migrate_check_schema(const struct config *cfg, struct metrics *metrics,
			  struct deployment *out);

/**
 * Check that the schema is this program's and that the topics have the recorded partitions; record
 * the lookback window. Waits up to START_TIMEOUT_MS for the services. Ends the process with a
 * sentence otherwise.
 */
void migrate_check(const struct config *cfg, struct metrics *metrics, struct deployment *out);

#endif
