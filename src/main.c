/*
 * The program: subcommands, and the order in which everything starts and stops.
 *
 * Runs on the main thread. While it waits for the services a stop signal simply ends the process;
 * before the first actor starts the signals are blocked, and in the end it waits for one.
 *
 *      http workers -> producer -> Kafka -> consumer -> writers -> counter
 *            |            `-> spooler
 *            |-------> live, query, exporter, history, journal
 *                              `-> registrar
 *
 * stop_note: senders stop before receivers, so that every message has somewhere to go: HTTP
 * (running requests are answered, with the producer still there), producer, spooler (which keeps
 * what the producer could not deliver), consumer, writers, history, live, journal, queries,
 * exporters, the registrar, which queries write to, and the counter, which writers and live write
 * to. A guard ends the process when that takes longer than SHUTDOWN_TIMEOUT_MS, or when a second
 * signal comes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/actor.h"
#include "actors/consumer.h"
#include "actors/counter.h"
#include "actors/exporter.h"
#include "actors/history.h"
#include "actors/journal.h"
#include "actors/live.h"
#include "actors/producer.h"
#include "actors/query.h"
#include "actors/registrar.h"
#include "actors/spooler.h"
#include "actors/watchdog.h"
#include "actors/writer.h"
#include "domain/msg.h"
#include "net/server.h"
#include "net/table.h"
#include "store/migrate.h"
#include "tools/tool.h"
#include "util/clock.h"
#include "util/config.h"
#include "util/event_count.h"
#include "util/json_memory.h"
#include "util/log.h"
#include "util/metrics.h"

#define ENV_FILE ".env"

/* The subcommands for operators; the list ends with NULL. */
static const struct tool *const tools[] = {&dead_letters_tool, &reconcile_tool, &recompute_tool,
					   &replay_tool, NULL};

#define SPARE_LANES 8
#define SPOOL_OFF "off" /* as SPOOL_DIR */
#define GROUP_WAIT_NS (5 * NS_PER_S)
#define GROUP_LOOK_US 10000

/* Ends the process if stopping takes too long. */
struct stop_guard {
	pthread_t thread;
	sigset_t signals;
	int64_t timeout_ms;
};

struct program {
	struct config cfg;
	struct metrics_set *metrics;
	unsigned roles;
	struct deployment deployment;
	struct health health;
	struct partition_gauge *gauges[EVENT_KINDS];
	struct history_cache *cache;
	struct recent_days *recent;
	struct registry *registry;

	struct mailbox **mailboxes; /* all of them, in the order they were made */
	unsigned n_mailboxes;
	struct mailbox *producer_mb, *spooler_mb, *consumer_mb, *counter_mb, *live_mb, *history_mb,
		*journal_mb, *registrar_mb;
	struct mailbox **writer_mbs, **query_mbs, **exporter_mbs;
	char (*names)[ACTOR_NAME_MAX]; /* of the numbered mailboxes */
	unsigned n_names;

	struct producer *producer;
	struct spooler *spooler; /* NULL: there is no spool */
	struct consumer *consumer;
	struct writer **writers;
	struct counter *counter;
	struct live *live;
	struct history *history;
	struct journal *journal;
	struct registrar *registrar;
	struct query **queries;
	struct exporter **exporters;
	struct server *server;
	struct stop_guard guard;
	struct watchdog *dog;
};

static struct mailbox *add_mailbox(struct program *p, const char *name, unsigned lanes,
				   bool with_fd)
{
	struct mailbox *mb = mailbox_new(name, lanes, with_fd);
	p->mailboxes[p->n_mailboxes++] = mb;
	return mb;
}

/* So many numbered ones. */
static struct mailbox **add_mailboxes(struct program *p, const char *name, unsigned n,
				      unsigned lanes)
{
	struct mailbox **mbs = xcalloc(n, sizeof(*mbs));
	for (unsigned i = 0; i < n; i++, p->n_names++) {
		snprintf(p->names[p->n_names], ACTOR_NAME_MAX, "%s-%u", name, i);
		mbs[i] = add_mailbox(p, p->names[p->n_names], lanes, false);
	}
	return mbs;
}

static bool has_role(const struct program *p, unsigned roles)
{
	return (p->roles & roles) != 0;
}

static void make_mailboxes(struct program *p)
{
	const unsigned writers = (unsigned)p->cfg.writers,
		       queries = (unsigned)p->cfg.query_connections,
		       exports = (unsigned)p->cfg.exports;
	const unsigned workers = (unsigned)p->cfg.http_workers + SPARE_LANES;
	p->mailboxes = xcalloc(writers + queries + exports + 8, sizeof(struct mailbox *));
	p->names = xcalloc(writers + queries + exports, sizeof(*p->names));
	if (has_role(p, ROLE_INGEST)) {
		p->producer_mb = add_mailbox(p, "producer", workers, true);
		if (strcmp(p->cfg.spool_dir, SPOOL_OFF) != 0)
			p->spooler_mb = add_mailbox(p, "spool", 2, false);
	}
	if (has_role(p, ROLE_PROCESS | ROLE_QUERY)) {
		p->counter_mb = add_mailbox(p, "counter", writers + 1, false);
		p->live_mb = add_mailbox(p, "live", workers, false);
		p->history_mb = add_mailbox(p, "history", workers, false);
		p->journal_mb = add_mailbox(p, "journal", workers, false);
	}
	if (has_role(p, ROLE_PROCESS)) {
		p->consumer_mb = add_mailbox(p, "consumer", 1, true);
		p->writer_mbs = add_mailboxes(p, "writer", writers, 1);
	}
	if (has_role(p, ROLE_QUERY)) {
		p->registrar_mb = add_mailbox(p, "registrar", queries, true);
		p->query_mbs = add_mailboxes(p, "query", queries, workers);
		p->exporter_mbs = add_mailboxes(p, "exporter", exports, workers);
	}
}

/* Live counters, the cache of closed days and their journals: for those who book and who answer. */
static void start_common(struct program *p)
{
	const struct config *cfg = &p->cfg;
	const int32_t partitions = p->deployment.partitions;
	p->counter = counter_start(cfg, partitions, &p->deployment.id, p->counter_mb, p->metrics,
				   &p->health);
	p->live = live_start(cfg, partitions, &p->deployment.id, p->live_mb, p->counter_mb,
			     p->recent, p->metrics);
	p->history = history_start(cfg, partitions, p->history_mb, p->live_mb, p->cache, p->metrics,
				   &p->health);
	p->journal = journal_start(cfg, p->journal_mb, p->metrics);
}

static void start_query(struct program *p)
{
	const struct config *cfg = &p->cfg;
	p->registrar = registrar_start(cfg, p->registrar_mb, p->registry, p->metrics);
	p->queries = xcalloc((size_t)cfg->query_connections, sizeof(struct query *));
	for (unsigned i = 0; i < cfg->query_connections; i++)
		p->queries[i] = query_start(cfg, i, p->query_mbs[i], p->registrar_mb, p->metrics);
	p->exporters = xcalloc((size_t)cfg->exports, sizeof(struct exporter *));
	for (unsigned i = 0; i < cfg->exports; i++)
		p->exporters[i] = exporter_start(cfg, i, p->exporter_mbs[i], p->metrics);
}

static void start_writers(struct program *p)
{
	p->writers = xcalloc((size_t)p->cfg.writers, sizeof(struct writer *));
	for (unsigned i = 0; i < p->cfg.writers; i++)
		p->writers[i] = writer_start(&p->cfg, i, p->deployment.partitions, p->writer_mbs[i],
					     p->counter_mb, p->metrics, p->gauges);
}

static void start_ingest(struct program *p)
{
	const struct config *cfg = &p->cfg;
	if (p->spooler_mb != NULL)
		p->spooler = spooler_start(cfg, p->deployment.partitions, &p->deployment.id,
					   p->spooler_mb, p->producer_mb, p->metrics, &p->health);
	else
		p->health.spool = -1;
	p->producer = producer_start(cfg, p->deployment.partitions, p->producer_mb, p->spooler_mb,
				     p->metrics, &p->health);
}

static void start_actors(struct program *p)
{
	if (has_role(p, ROLE_PROCESS | ROLE_QUERY))
		start_common(p);
	else
		p->health.postgres = p->health.redis = -1;
	if (has_role(p, ROLE_QUERY))
		start_query(p);
	if (has_role(p, ROLE_PROCESS))
		start_writers(p);
	if (has_role(p, ROLE_INGEST))
		start_ingest(p);
	else
		p->health.kafka = p->health.spool = -1;
}

static void start_server(struct program *p)
{
	struct net_deps deps = {
		.cfg = &p->cfg,
		.roles = p->roles,
		.partitions = p->deployment.partitions,
		.producer = p->producer_mb,
		.live = p->live_mb,
		.journal = p->journal_mb,
		.history = p->history_mb,
		.queries = p->query_mbs,
		.exporters = p->exporter_mbs,
		.cache = p->cache,
		.recent = p->recent,
		.registry = p->registry,
		.metrics = p->metrics,
		.health = &p->health,
		.mailboxes = p->mailboxes,
		.n_mailboxes = p->n_mailboxes,
	};
	memcpy(deps.gauges, p->gauges, sizeof(deps.gauges));
	p->server = server_start(&deps);
}

/* Last: a process that cannot have its ports must not take partitions from the others. */
static void start_consumer(struct program *p)
{
	p->consumer =
		consumer_start(&p->cfg, p->deployment.partitions, p->consumer_mb, p->writer_mbs,
			       (unsigned)p->cfg.writers, p->metrics, p->gauges, &p->health);
}

/*
 * Not ready before the consumer group has answered, or a first event would wait for that. Bounded,
 * since events can be accepted all the same.
 */
static void await_group(struct program *p)
{
	const uint64_t until = clock_mono_ns() + GROUP_WAIT_NS;
	sigset_t pending;
	while (!atomic_load(&p->health.grouped) && clock_mono_ns() < until) {
		sigpending(&pending);
		if (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT))
			return;
		usleep(GROUP_LOOK_US);
	}
}

/* See stop_note. */
static void stop_all(struct program *p)
{
	watchdog_stop(p->dog);
	server_drain(p->server);
	server_stop(p->server);
	producer_stop(p->producer);
	spooler_stop(p->spooler);
	consumer_stop(p->consumer);
	for (unsigned i = 0; p->writers != NULL && i < p->cfg.writers; i++)
		writer_stop(p->writers[i]);
	history_stop(p->history);
	live_stop(p->live);
	journal_stop(p->journal);
	for (unsigned i = 0; p->queries != NULL && i < p->cfg.query_connections; i++)
		query_stop(p->queries[i]);
	for (unsigned i = 0; p->exporters != NULL && i < p->cfg.exports; i++)
		exporter_stop(p->exporters[i]);
	registrar_stop(p->registrar);
	counter_stop(p->counter);
	server_free(p->server);
}

static void free_all(struct program *p)
{
	history_cache_free(p->cache);
	recent_days_free(p->recent);
	registry_free(p->registry);
	for (unsigned i = 0; i < p->n_mailboxes; i++)
		mailbox_free(p->mailboxes[i]);
	for (int k = 0; k < EVENT_KINDS; k++)
		free(p->gauges[k]);
	free(p->mailboxes);
	free(p->names);
	free(p->writer_mbs);
	free(p->query_mbs);
	free(p->exporter_mbs);
	free(p->writers);
	free(p->queries);
	free(p->exporters);
	metrics_set_free(p->metrics);
	config_release(&p->cfg);
	ASSERT(msg_live_count() == 0);
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN); /* hiredis writes without MSG_NOSIGNAL */
}

static void *watch(void *arg)
{
	const struct stop_guard *guard = arg;
	const uint64_t until = clock_mono_ns() + (uint64_t)guard->timeout_ms * NS_PER_MS;
	log_set_thread_name("stop");
	for (uint64_t now = clock_mono_ns(); now < until; now = clock_mono_ns()) {
		const struct timespec left = {
			.tv_sec = (time_t)((until - now) / NS_PER_S),
			.tv_nsec = (long)((until - now) % NS_PER_S),
		};
		if (sigtimedwait(&guard->signals, NULL, &left) > 0) {
			log_warn("main", "second signal, exiting at once");
			_exit(1);
		}
	}
	log_error("main",
		  "the stop took longer than SHUTDOWN_TIMEOUT_MS, exiting without finishing it");
	_exit(1);
}

/* Wait for a stop signal; from then on the guard runs. */
static void wait_for_stop(struct stop_guard *guard)
{
	int signal_number = 0;
	while (sigwait(&guard->signals, &signal_number) != 0)
		;
	log_info("main", "stopping| signal=%s", signal_number == SIGINT ? "INT" : "TERM");
	if (pthread_create(&guard->thread, NULL, watch, guard) == 0)
		pthread_detach(guard->thread);
}

static void log_config(const struct config *cfg)
{
	struct buf b = BUF_INIT;
	config_describe(cfg, &b);
	log_info("main", "configuration| %s", b.data);
	buf_release(&b);
}

static void prepare(struct program *p)
{
	enum log_level level = LOG_INFO;
	config_load(&p->cfg, ENV_FILE);
	if (log_level_parse(p->cfg.log_level, &level))
		log_set_level(level);
	clock_set_offset(p->cfg.clock_offset_ms);
	p->metrics = metrics_set_new();
}

static int serve(struct program *p)
{
	prepare(p);
	p->roles = config_roles(&p->cfg);
	p->guard.timeout_ms = p->cfg.shutdown_timeout_ms;
	log_config(&p->cfg);
	migrate_check(&p->cfg, metrics_block_new(p->metrics), &p->deployment);
	for (int k = 0; k < EVENT_KINDS; k++) {
		p->gauges[k] = xcalloc((size_t)p->deployment.partitions, sizeof(*p->gauges[k]));
		for (int32_t i = 0; i < p->deployment.partitions; i++)
			p->gauges[k][i].lag = p->gauges[k][i].next_offset = -1;
	}
	block_signals(&p->guard.signals);
	event_count_expect((unsigned)p->cfg.http_workers);
	p->cache = history_cache_new(p->cfg.history_cache_days, table_add_day);
	p->recent = recent_days_new();
	p->registry = registry_new();
	make_mailboxes(p);
	start_actors(p);
	start_server(p);
	if (has_role(p, ROLE_PROCESS)) {
		start_consumer(p);
		await_group(p);
	}
	atomic_store(&p->health.started, 1);
	p->dog = watchdog_start(p->mailboxes, p->n_mailboxes, p->cfg.actor_stuck_ms);
	log_info("main", "serving| http=%s admin=%s", p->cfg.http_listen, p->cfg.admin_listen);
	wait_for_stop(&p->guard);
	stop_all(p);
	free_all(p);
	log_info("main", "stopped");
	return 0;
}

static int migrate(struct program *p)
{
	prepare(p);
	migrate_all(&p->cfg, metrics_block_new(p->metrics));
	metrics_set_free(p->metrics);
	config_release(&p->cfg);
	return 0;
}

static int check_config(struct program *p)
{
	struct buf b = BUF_INIT;
	prepare(p);
	config_describe(&p->cfg, &b);
	printf("%s\n", b.data);
	buf_release(&b);
	metrics_set_free(p->metrics);
	config_release(&p->cfg);
	return 0;
}

static const struct tool *find_tool(const char *name)
{
	for (const struct tool *const *t = tools; *t != NULL; t++) {
		if (strcmp((*t)->name, name) == 0)
			return *t;
	}
	return NULL;
}

static int run_tool(struct program *p, const struct tool *tool, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(tool->help, stdout);
		return TOOL_OK;
	}
	prepare(p);
	const enum tool_exit code = tool->run(&p->cfg, metrics_block_new(p->metrics), argc, argv);
	metrics_set_free(p->metrics);
	config_release(&p->cfg);
	return (int)code;
}

static void add_commands(struct buf *b)
{
	buf_adds(b, "usage: tyrattribution serve          serve the API and process events\n"
		    "       tyrattribution migrate        bring database and topics up to date\n"
		    "       tyrattribution check-config   print the effective configuration\n");
	for (const struct tool *const *t = tools; *t != NULL; t++)
		buf_addf(b, "       tyrattribution %-14s %s\n", (*t)->name, (*t)->summary);
	buf_adds(b, "       tyrattribution --help         this text (--help-markdown: the "
		    "README's table)\n");
}

static int help(bool markdown)
{
	struct buf b = BUF_INIT;
	if (!markdown) {
		buf_adds(&b, "tyrattribution: click and conversion attribution on Kafka, Redis and "
			     "PostgreSQL\n\n");
		add_commands(&b);
		buf_adds(&b, "\nOptions are environment variables, or lines of the file .env; the "
			     "environment wins.\n\n");
	}
	config_help(&b, markdown);
	fputs(b.data, stdout);
	buf_release(&b);
	return 0;
}

static int unknown_command(const char *command)
{
	struct buf b = BUF_INIT;
	add_commands(&b);
	if (command == NULL)
		fputs("tyrattribution: a command is missing\n", stderr);
	else
		fprintf(stderr, "tyrattribution: unknown command or arguments: '%s'\n", command);
	fputs(b.data, stderr);
	buf_release(&b);
	return 2;
}

int main(int argc, char **argv)
{
	static struct program program;
	const char *command = argc > 1 ? argv[1] : "";
	json_memory_start();
	if (argc == 2 && strcmp(command, "serve") == 0)
		return serve(&program);
	if (argc == 2 && strcmp(command, "migrate") == 0)
		return migrate(&program);
	if (argc == 2 && strcmp(command, "check-config") == 0)
		return check_config(&program);
	if (argc == 2 && (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0))
		return help(false);
	if (argc == 2 && strcmp(command, "--help-markdown") == 0)
		return help(true);
	if (find_tool(command) != NULL)
		return run_tool(&program, find_tool(command), argc - 1, argv + 1);
	return unknown_command(argc > 1 ? command : NULL);
}
