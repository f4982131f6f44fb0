/*
 * The least that storing events can cost: binary COPY into one table with a primary key.
 *
 *     build/limits/copy EVENTS HOURS CAMPAIGNS
 *
 * The same events as limits/ledger books, in the same batches: BATCH_MAX_EVENTS of a partition
 * number of KAFKA_PARTITIONS, one transaction each, clicks and conversions alike. A row has what
 * click_events and conversion_events keep of an event, under the same key, but none of what is made
 * of it: no path, no bucket, no look at anything that is there. The rows are made before; what is
 * timed is the COPY. The table is made anew and dropped. Prints one line of JSON.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain/partition.h"
#include "feed.h"
#include "store/copy_rows.h"
#include "util/clock.h"
#include "util/config.h"
#include "util/log.h"

#define USAGE "copy EVENTS HOURS CAMPAIGNS"
#define TABLE                                                                                      \
	"DROP TABLE IF EXISTS limit_events;"                                                       \
	"CREATE TABLE limit_events (event_id uuid NOT NULL, event_date timestamptz NOT NULL,"      \
	"user_id uuid NOT NULL, campaign_id uuid NOT NULL, source text COLLATE \"C\" NOT NULL,"    \
	"type text COLLATE \"C\" NOT NULL, value_minor bigint NOT NULL, shard integer NOT NULL,"   \
	"created_at timestamptz NOT NULL DEFAULT now(), log_offset bigint,"                        \
	"accepted_at timestamptz, PRIMARY KEY (event_id, event_date))"
#define COPY                                                                                       \
	"COPY limit_events (event_id, event_date, user_id, campaign_id, source, type,"             \
	"value_minor, shard, log_offset, accepted_at) FROM STDIN (FORMAT binary)"
#define FIELDS 10

static const char copy_head[19] = "PGCOPY\n\377\r\n"; /* and zeros */
static const char copy_tail[2] = "\377\377";

/* The next batch of a partition number. */
struct part {
	struct buf rows;
	int64_t n, offset;
};

struct run {
	PGconn *conn;
	int64_t batch_max;
	uint64_t ns;
	double cpu;
};

static PGconn *connect_database(const struct config *cfg)
{
	char port[16];
	(void)snprintf(port, sizeof(port), "%lld", (long long)cfg->db_port);
	const char *const words[] = {"host", "port", "dbname", "user", "password", "sslmode", NULL};
	const char *const values[] = {cfg->db_host,
				      cfg->db_port > 0 ? port : NULL,
				      cfg->db_name,
				      cfg->db_user,
				      cfg->db_password,
				      cfg->db_sslmode,
				      NULL};
	PGconn *conn = PQconnectdbParams(words, values, 0);
	if (PQstatus(conn) != CONNECTION_OK)
		die("PostgreSQL does not answer: %s", PQerrorMessage(conn));
	return conn;
}

static void run_sql(PGconn *conn, const char *sql, ExecStatusType wanted)
{
	PGresult *r = PQexec(conn, sql);
	if (PQresultStatus(r) != wanted)
		die("%s: %s", sql, PQerrorMessage(conn));
	PQclear(r);
}

static void add_row(struct buf *rows, const struct event *e, int32_t partition, int64_t offset)
{
	copy_row(rows, FIELDS);
	copy_bytes(rows, e->id.bytes, sizeof(e->id.bytes));
	copy_time(rows, e->time_ms);
	copy_bytes(rows, e->user_id.bytes, sizeof(e->user_id.bytes));
	copy_bytes(rows, e->campaign_id.bytes, sizeof(e->campaign_id.bytes));
	copy_bytes(rows, e->source, e->source_len);
	copy_bytes(rows, e->type, e->type_len);
	copy_int8(rows, e->value_minor);
	copy_int4(rows, partition);
	copy_int8(rows, offset);
	copy_time(rows, e->time_ms);
}

/* One transaction. */
static void copy_in(PGconn *conn, const struct buf *rows)
{
	PGresult *r;
	run_sql(conn, COPY, PGRES_COPY_IN);
	if (PQputCopyData(conn, rows->data, (int)rows->len) != 1 || PQputCopyEnd(conn, NULL) != 1)
		die("COPY: %s", PQerrorMessage(conn));
	while ((r = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("COPY: %s", PQerrorMessage(conn));
		PQclear(r);
	}
}

static void finish_batch(struct run *run, struct part *part)
{
	if (part->n == 0)
		return;
	buf_add(&part->rows, copy_tail, sizeof(copy_tail));
	const double cpu_before = feed_cpu();
	const uint64_t began_ns = clock_mono_ns();
	copy_in(run->conn, &part->rows);
	run->ns += clock_mono_ns() - began_ns;
	run->cpu += feed_cpu() - cpu_before;
	part->n = 0;
}

static void add_event(struct run *run, struct part *part, int32_t partition, const struct event *e)
{
	if (part->n == 0) {
		buf_clear(&part->rows);
		buf_add(&part->rows, copy_head, sizeof(copy_head));
	}
	add_row(&part->rows, e, partition, part->offset++);
	if (++part->n == run->batch_max)
		finish_batch(run, part);
}

int main(int argc, char **argv)
{
	struct config cfg;
	struct feed feed;
	struct event event;
	const uint64_t total = feed_number(argc == 4 ? argv[1] : NULL, USAGE);
	config_load(&cfg, "");
	struct run run = {.conn = connect_database(&cfg), .batch_max = cfg.batch_max_events};
	const int32_t partitions = (int32_t)cfg.kafka_partitions;
	struct part *parts = xcalloc((size_t)partitions, sizeof(*parts));
	run_sql(run.conn, "SET client_min_messages = warning", PGRES_COMMAND_OK);
	run_sql(run.conn, TABLE, PGRES_COMMAND_OK);
	feed_init(&feed, total, feed_number(argv[2], USAGE), feed_number(argv[3], USAGE));
	for (uint64_t i = 0; i < total; i++) {
		feed_next(&feed, &event);
		const int32_t p = partition_of_user(&event.user_id, partitions);
		add_event(&run, &parts[p], p, &event);
	}
	for (int32_t p = 0; p < partitions; p++) {
		finish_batch(&run, &parts[p]);
		buf_release(&parts[p].rows);
	}
	run_sql(run.conn, "DROP TABLE limit_events", PGRES_COMMAND_OK);
	PQfinish(run.conn);
	free(parts);
	printf("{\"events\":%llu,\"seconds\":%.6f,\"cpu\":%.3f}\n", (unsigned long long)total,
	       (double)run.ns / 1e9, run.cpu);
	return 0;
}
