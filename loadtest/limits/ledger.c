/*
 * The limit of processing: one PostgreSQL backend that books ready batches, and nothing else.
 *
 *     build/limits/ledger EVENTS HOURS CAMPAIGNS
 *
 * The transaction is the writer's own (store/ledger.h) on batches of BATCH_MAX_EVENTS events that
 * were made and decoded before; what is timed is ledger_adopt() and ledger_book(). No Kafka, no
 * Redis, no mailbox, one thread. The database is migrated and no server runs on it. Prints one line
 * of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/batch.h"
#include "domain/partition.h"
#include "feed.h"
#include "store/fence.h"
#include "store/migrate.h"
#include "store/pg.h"
#include "util/clock.h"
#include "util/log.h"

#define USAGE "ledger EVENTS HOURS CAMPAIGNS"
#define OWNER "limits/ledger"
#define TIMEOUT_MS 60000

/* A partition number whose next batch is being made. */
struct part {
	int64_t epoch;
	uint64_t session;
	int64_t next_offset[EVENT_KINDS];
	struct buf payloads;
	struct record *records; /* payload: an offset until they stand still */
	size_t *at;
	uint32_t n;
};

struct run {
	struct config cfg;
	struct metrics *metrics;
	struct deployment deployment;
	struct ledger *ledger;
	struct part *parts;
	struct batch *batch;
	uint64_t booked, ns;
	double cpu;
};

static void claim_all(struct run *run)
{
	const struct pg_options options = {.role = OWNER, .timeout_ms = TIMEOUT_MS};
	struct pg *pg = pg_new(&run->cfg, run->metrics, &options);
	if (pg_ready(pg) != ERR_OK)
		die("PostgreSQL does not answer: %s", pg_error(pg));
	run->parts = xcalloc((size_t)run->deployment.partitions, sizeof(*run->parts));
	for (int32_t p = 0; p < run->deployment.partitions; p++) {
		struct fence fence;
		struct part *part = &run->parts[p];
		if (fence_claim(pg, p, OWNER, &fence) != ERR_OK)
			die("partition %d cannot be claimed: %s", p, pg_error(pg));
		part->epoch = fence.epoch;
		for (int k = 0; k < EVENT_KINDS; k++)
			part->next_offset[k] = fence.next_offset[k] < 0 ? 0 : fence.next_offset[k];
		part->records = xcalloc((size_t)run->cfg.batch_max_events, sizeof(struct record));
		part->at = xcalloc((size_t)run->cfg.batch_max_events, sizeof(size_t));
	}
	pg_free(pg);
}

/* The events as one message from the consumer. */
static struct msg *make_message(struct part *part, int32_t p)
{
	const size_t records_bytes = part->n * sizeof(struct record);
	const size_t payloads = records_bytes + part->n * (size_t)UUID_TEXT_LEN;
	struct msg *m = msg_new(MSG_RECORDS, payloads + part->payloads.len);
	char *keys = m->bytes + records_bytes;
	m->records = (struct msg_records){
		.partition = p,
		.epoch = part->epoch,
		.n = part->n,
		.records = (struct record *)(void *)m->bytes,
	};
	memcpy(m->bytes + payloads, part->payloads.data, part->payloads.len);
	for (uint32_t i = 0; i < part->n; i++) {
		struct record *r = &m->records.records[i];
		*r = part->records[i];
		r->payload = m->bytes + payloads + part->at[i];
		r->key = keys + i * (size_t)UUID_TEXT_LEN;
		r->key_len = UUID_TEXT_LEN;
		/* the key is the user's id as it stands in the payload */
		const char *user = strstr(r->payload, "\"user_id\":\"");
		memcpy(keys + i * (size_t)UUID_TEXT_LEN, user + strlen("\"user_id\":\""),
		       UUID_TEXT_LEN);
	}
	part->n = 0;
	buf_clear(&part->payloads);
	return m;
}

static void book(struct run *run, struct part *part)
{
	struct batch *batch = run->batch;
	const double cpu = feed_cpu();
	const uint64_t began_ns = clock_mono_ns();
	while (!batch_is_done(batch)) {
		batch_aim(batch);
		enum err e = ledger_adopt(run->ledger, batch->booking.partition, part->epoch,
					  &part->session);
		if (e == ERR_OK)
			e = ledger_book(run->ledger, &batch->booking);
		if (e != ERR_OK)
			die("a batch could not be booked: %s", err_text(e));
		for (int k = 0; k < EVENT_KINDS; k++) {
			run->booked += batch->booking.stored[k];
			if (batch->booking.dead_lettered[k] + batch->booking.duplicate[k] > 0)
				die("events were not fresh or not readable");
		}
		(void)batch_booked(batch);
	}
	run->ns += clock_mono_ns() - began_ns;
	run->cpu += feed_cpu() - cpu;
}

static void finish_batch(struct run *run, int32_t p)
{
	struct part *part = &run->parts[p];
	if (part->n == 0)
		return;
	batch_clear(run->batch, p, part->epoch);
	batch_add(run->batch, make_message(part, p), run->deployment.partitions);
	book(run, part);
}

static void add_event(struct run *run, const struct event *event)
{
	const int32_t p = partition_of_user(&event->user_id, run->deployment.partitions);
	struct part *part = &run->parts[p];
	const size_t at = part->payloads.len;
	event_write(event, &part->payloads);
	buf_addc(&part->payloads, '\0');
	part->at[part->n] = at;
	part->records[part->n++] = (struct record){
		.topic = event->kind,
		.offset = part->next_offset[event->kind]++,
		.time_ms = event->time_ms,
		.payload_len = (uint32_t)(part->payloads.len - at - 1),
	};
	if (part->n == run->cfg.batch_max_events)
		finish_batch(run, p);
}

int main(int argc, char **argv)
{
	static struct run run;
	struct feed feed;
	struct event event;
	const uint64_t total = feed_number(argc == 4 ? argv[1] : NULL, USAGE);
	struct metrics_set *metrics = metrics_set_new();
	config_load(&run.cfg, "");
	run.metrics = metrics_block_new(metrics);
	migrate_check(&run.cfg, run.metrics, &run.deployment);
	claim_all(&run);
	run.ledger = ledger_new(&run.cfg, run.metrics, OWNER);
	run.batch = batch_new();
	feed_init(&feed, total, feed_number(argv[2], USAGE), feed_number(argv[3], USAGE));
	for (uint64_t i = 0; i < total; i++) {
		feed_next(&feed, &event);
		add_event(&run, &event);
	}
	for (int32_t p = 0; p < run.deployment.partitions; p++)
		finish_batch(&run, p);
	printf("{\"events\":%llu,\"seconds\":%.6f,\"cpu\":%.3f}\n", (unsigned long long)run.booked,
	       (double)run.ns / 1e9, run.cpu);
	return 0;
}
