/*
 * Migrations, topics, and the checks before serving.
 *
 * Runs on main.
 */
#include "store/migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/kafka.h"
#include "store/statement.h"
#include "util/clock.h"
#include "util/log.h"

#define RETRY_US 200000
#define ASK_MS 2000 /* of the time that the start may take, for one answer of Kafka */
#define MIGRATE_TIMEOUT_MS 600000

static struct pg *open_pg(const struct config *cfg, struct metrics *metrics)
{
	const struct pg_options options = {
		.role = "main", .session = SQL_NONE, .timeout_ms = MIGRATE_TIMEOUT_MS};
	struct pg *pg = pg_new(cfg, metrics, &options);
	const uint64_t until = clock_mono_ns() + (uint64_t)cfg->start_timeout_ms * NS_PER_MS;
	while (pg_ready(pg) != ERR_OK) {
		if (clock_mono_ns() > until)
			die("PostgreSQL at %s:%d cannot be reached within START_TIMEOUT_MS: %s. Is "
			    "it running, and are "
			    "DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD right?",
			    cfg->db_host, (int)cfg->db_port, pg_error(pg));
		usleep(RETRY_US);
	}
	return pg;
}

static void must(struct pg *pg, enum err e, const char *what)
{
	if (e != ERR_OK)
		die("%s failed: %s (%s)", what, pg_error(pg), err_text(e));
}

/* The newest migration applied, 0 where there is none; the table of migrations exists afterwards.
 */
static int applied_version(struct pg *pg)
{
	PGresult *r;
	must(pg, pg_run(pg, SQL_schema_version, 0, NULL, &r), "reading the schema's version");
	const int version = (int)pg_int(r, 0, 0);
	PQclear(r);
	return version;
}

/* One migration, one transaction, unless another process was faster. */
static void apply(struct pg *pg, const struct migration *m)
{
	char text[256];
	must(pg,
	     pg_exec(pg, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('tyrattribution migrate'))"),
	     "taking the migration lock");
	if (applied_version(pg) < m->version) {
		log_info("migrate", "applying a migration| name=%s", m->name);
		must(pg, pg_exec(pg, m->text), m->name);
		snprintf(text, sizeof(text),
			 "INSERT INTO schema_migrations (version, name) VALUES (%d, '%s')",
			 m->version, m->name);
		must(pg, pg_exec(pg, text), m->name);
	}
	must(pg, pg_commit(pg), m->name);
}

void migrate_tables(struct pg *pg)
{
	must(pg,
	     pg_exec(pg, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('tyrattribution migrate'));"
			 "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY "
			 "KEY, name text NOT NULL,"
			 "applied_at timestamptz NOT NULL DEFAULT now()); COMMIT"),
	     "creating the table of migrations");
	for (int i = 0; i < migrations_count; i++)
		apply(pg, &migrations[i]);
}

static bool read_deployment(struct pg *pg, struct deployment *out)
{
	PGresult *r;
	must(pg, pg_run(pg, SQL_deployment, 0, NULL, &r), "reading the deployment");
	const bool found = PQntuples(r) == 1;
	if (found) {
		out->partitions = (int32_t)pg_int(r, 0, 0);
		ASSERT(uuid_parse(PQgetvalue(r, 0, 1), UUID_TEXT_LEN, &out->id));
	}
	PQclear(r);
	return found;
}

/* Ask Kafka for the topics' partitions until it answers. */
static void count_partitions(const struct config *cfg, int32_t counts[EVENT_KINDS])
{
	char error[KAFKA_ERROR_MAX];
	const uint64_t until = clock_mono_ns() + (uint64_t)cfg->start_timeout_ms * NS_PER_MS;
	const int64_t longest = cfg->start_timeout_ms < ASK_MS ? cfg->start_timeout_ms + 1 : ASK_MS;
	while (!kafka_count_partitions(cfg, (int)longest, counts, error)) {
		if (clock_mono_ns() > until)
			die("Kafka at %s cannot be reached within START_TIMEOUT_MS: %s. Is it "
			    "running, and is KAFKA_URL "
			    "right?",
			    cfg->kafka_url, error);
		usleep(RETRY_US);
	}
}

static bool are_there(const int32_t counts[EVENT_KINDS])
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (counts[k] == 0)
			return false;
	}
	return true;
}

static void check_counts(const struct config *cfg, const int32_t counts[EVENT_KINDS],
			 int32_t recorded)
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (counts[k] == 0)
			die("the topic %s does not exist: run `tyrattribution migrate`",
			    topic_name(cfg, (enum event_kind)k));
		if (counts[k] != recorded)
			die("the topic %s has %d partitions, but %d are recorded in the database: "
			    "a user's events would go "
			    "to another partition than before. Use a topic with %d partitions.",
			    topic_name(cfg, (enum event_kind)k), counts[k], recorded, recorded);
	}
}

/* The count to record: what the topics have if they exist, else what the option says. */
static int32_t partitions_to_record(const struct config *cfg)
{
	int32_t counts[EVENT_KINDS];
	count_partitions(cfg, counts);
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (counts[k] > 0)
			return counts[k];
	}
	return (int32_t)cfg->kafka_partitions;
}

void migrate_all(const struct config *cfg, struct metrics *metrics)
{
	char error[KAFKA_ERROR_MAX], text[16];
	int32_t counts[EVENT_KINDS];
	struct deployment deployment;
	struct pg *pg = open_pg(cfg, metrics);
	migrate_tables(pg);
	if (!read_deployment(pg, &deployment)) {
		snprintf(text, sizeof(text), "%d", partitions_to_record(cfg));
		const char *const params[] = {text};
		must(pg, pg_run(pg, SQL_record_partitions, 1, params, NULL),
		     "recording the partition count");
		ASSERT(read_deployment(pg, &deployment));
	}
	count_partitions(cfg, counts);
	if (!kafka_create_topics(cfg, deployment.partitions, error))
		die("the topics cannot be created: %s", error);
	for (int tries = 0; tries < 50 && !are_there(counts); tries++) {
		usleep(RETRY_US); /* metadata follows creation a little later */
		count_partitions(cfg, counts);
	}
	check_counts(cfg, counts, deployment.partitions);
	pg_free(pg);
	log_info("migrate", "schema and topics are up to date| version=%d partitions=%d",
		 migrations[migrations_count - 1].version, deployment.partitions);
}

/* Run a statement that records the environment's first settings, unless there are some. */
static void record(struct pg *pg, enum sql sql, int n, const char *const *params, const char *what,
		   const char *path)
{
	PGresult *r;
	must(pg, pg_run(pg, sql, n, params, &r), "recording the first settings");
	if (*PQgetvalue(r, 0, 0) == 't')
		log_info("migrate", "recorded from the environment| what=\"%s\"", what);
	else if (*PQgetvalue(r, 0, 1) != 't')
		log_warn("migrate",
			 "%s: the environment differs from what is recorded, and has no effect; "
			 "what is to change is dated with POST %s",
			 what, path);
	PQclear(r);
}

static void record_window(const struct config *cfg, struct pg *pg)
{
	char hours[24];
	const char *const params[] = {hours};
	snprintf(hours, sizeof(hours), "%" PRId64, cfg->window_hours);
	record(pg, SQL_record_window, 1, params, "CLICK_EVENT_TIME_WINDOW_HOURS",
	       "/api/settings/windows");
}

static void record_models(const struct config *cfg, struct pg *pg)
{
	char first[8], last[8], half_life[24], path_max[8];
	if (cfg->first_percent + cfg->last_percent > 100)
		die("ATTRIBUTION_FIRST_PERCENT and ATTRIBUTION_LAST_PERCENT are together more "
		    "than 100");
	snprintf(first, sizeof(first), "%" PRId64, cfg->first_percent);
	snprintf(last, sizeof(last), "%" PRId64, cfg->last_percent);
	snprintf(half_life, sizeof(half_life), "%" PRId64, cfg->half_life_hours);
	snprintf(path_max, sizeof(path_max), "%" PRId64, cfg->path_max);
	const char *const params[] = {first,
				      last,
				      half_life,
				      path_max,
				      cfg->narrow_paths ? "true" : "false",
				      cfg->direct_sources};
	record(pg, SQL_record_models, 6, params, "ATTRIBUTION_* options", "/api/settings/models");
}

/* The schema is this program's, or the process ends. */
static void check_schema(const struct config *cfg, struct pg *pg, struct deployment *out)
{
	PGresult *r;
	const int wanted = migrations[migrations_count - 1].version;
	if (pg_run(pg, SQL_schema_version, 0, NULL, &r) != ERR_OK)
		die("the database %s has no schema of ours: run `tyrattribution migrate`",
		    cfg->db_name);
	const int version = (int)pg_int(r, 0, 0);
	PQclear(r);
	if (version != wanted)
		die("the database's schema has version %d, this program needs %d: run "
		    "`tyrattribution migrate` of the "
		    "newer one",
		    version, wanted);
	if (!read_deployment(pg, out))
		die("the migration was not finished: run `tyrattribution migrate`");
}

void migrate_check_schema(const struct config *cfg, struct metrics *metrics, struct deployment *out)
{
	struct pg *pg = open_pg(cfg, metrics);
	check_schema(cfg, pg, out);
	pg_free(pg);
}

void migrate_check(const struct config *cfg, struct metrics *metrics, struct deployment *out)
{
	int32_t counts[EVENT_KINDS];
	struct pg *pg = open_pg(cfg, metrics);
	check_schema(cfg, pg, out);
	record_window(cfg, pg);
	record_models(cfg, pg);
	if (config_roles(cfg) != ROLE_QUERY) { /* which has nothing to do with Kafka */
		count_partitions(cfg, counts);
		check_counts(cfg, counts, out->partitions);
	}
	pg_free(pg);
}
