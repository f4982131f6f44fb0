/*
 * The least that storing events can cost: binary COPY into one table with a primary key.
 *
 *     build/limits/copy EVENTS HOURS CAMPAIGNS
 *
 * The same events as limits/ledger books, in transactions of BATCH_MAX_EVENTS, without looking at
 * anything that is there. The rows are made before; what is timed is the COPY. The table is made
 * anew and dropped. Prints one line of JSON.
 */
#include <libpq-fe.h>
#include <stdio.h>

#include "feed.h"
#include "store/copy_rows.h"
#include "util/clock.h"
#include "util/config.h"
#include "util/log.h"

#define USAGE "copy EVENTS HOURS CAMPAIGNS"
#define TABLE                                                                                      \
	"DROP TABLE IF EXISTS limit_events;"                                                       \
	"CREATE TABLE limit_events (event_id uuid PRIMARY KEY, event_date timestamptz NOT NULL,"   \
	"user_id uuid NOT NULL, campaign_id uuid NOT NULL, source text COLLATE \"C\" NOT NULL,"    \
	"type text COLLATE \"C\" NOT NULL, value_minor bigint NOT NULL, shard integer NOT NULL)"
#define FIELDS 8

static const char copy_head[19] = "PGCOPY\n\377\r\n"; /* and zeros */
static const char copy_tail[2] = "\377\377";

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

static void add_row(struct buf *rows, const struct event *e)
{
	copy_row(rows, FIELDS);
	copy_bytes(rows, e->id.bytes, sizeof(e->id.bytes));
	copy_time(rows, e->time_ms);
	copy_bytes(rows, e->user_id.bytes, sizeof(e->user_id.bytes));
	copy_bytes(rows, e->campaign_id.bytes, sizeof(e->campaign_id.bytes));
	copy_bytes(rows, e->source, e->source_len);
	copy_bytes(rows, e->type, e->type_len);
	copy_int8(rows, e->value_minor);
	copy_int4(rows, 0);
}

/* One transaction. */
static void copy_in(PGconn *conn, const struct buf *rows)
{
	PGresult *r;
	run_sql(conn, "COPY limit_events FROM STDIN (FORMAT binary)", PGRES_COPY_IN);
	if (PQputCopyData(conn, rows->data, (int)rows->len) != 1 || PQputCopyEnd(conn, NULL) != 1)
		die("COPY: %s", PQerrorMessage(conn));
	while ((r = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("COPY: %s", PQerrorMessage(conn));
		PQclear(r);
	}
}

int main(int argc, char **argv)
{
	struct config cfg;
	struct feed feed;
	struct event event;
	struct buf rows = BUF_INIT;
	uint64_t ns = 0;
	double cpu = 0;
	const uint64_t total = feed_number(argc == 4 ? argv[1] : NULL, USAGE);
	config_load(&cfg, "");
	PGconn *conn = connect_database(&cfg);
	run_sql(conn, "SET client_min_messages = warning", PGRES_COMMAND_OK);
	run_sql(conn, TABLE, PGRES_COMMAND_OK);
	feed_init(&feed, total, feed_number(argv[2], USAGE), feed_number(argv[3], USAGE));
	for (uint64_t i = 0; i < total;) {
		buf_clear(&rows);
		buf_add(&rows, copy_head, sizeof(copy_head));
		for (int64_t n = 0; n < cfg.batch_max_events && i < total; n++, i++) {
			feed_next(&feed, &event);
			add_row(&rows, &event);
		}
		buf_add(&rows, copy_tail, sizeof(copy_tail));
		const double cpu_before = feed_cpu();
		const uint64_t began_ns = clock_mono_ns();
		copy_in(conn, &rows);
		ns += clock_mono_ns() - began_ns;
		cpu += feed_cpu() - cpu_before;
	}
	run_sql(conn, "DROP TABLE limit_events", PGRES_COMMAND_OK);
	PQfinish(conn);
	buf_release(&rows);
	printf("{\"events\":%llu,\"seconds\":%.6f,\"cpu\":%.3f}\n", (unsigned long long)total,
	       (double)ns / 1e9, cpu);
	return 0;
}
