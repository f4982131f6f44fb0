/*
 * Metrics and health.
 *
 * Runs on the admin port's workers. Figures are read one by one while they change; each is right
 * for itself.
 */
#include "net/admin.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/response.h"
#include "net/state.h"
#include "net/worker.h"

#define VERSION "0.1.0"

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_requests(const struct server *s, struct buf *out)
{
#define STATUS_CODE(code, reason) code,
	static const int codes[STATUSES] = {STATUS_LIST(STATUS_CODE)};
#undef STATUS_CODE
	add_head(out, "tyr_http_requests_total", "counter",
		 "Answers over HTTP, by route and status.");
	for (int label = 0; label < ROUTE_LABELS; label++) {
		for (int i = 0; i < STATUSES; i++) {
			const uint64_t n =
				atomic_load_explicit(&s->counts[label][i], memory_order_relaxed);
			if (n > 0)
				buf_addf(
					out,
					"tyr_http_requests_total{route=\"%s\",code=\"%d\"} %" PRIu64
					"\n",
					route_word((enum route_label)label), codes[i], n);
		}
	}
}

static uint64_t figure(const struct mailbox_stats *stats, int which)
{
	const uint64_t figures[] = {stats->depth, stats->capacity, stats->pushed, stats->rejected};
	return figures[which];
}

static void add_mailboxes(const struct net_deps *deps, struct buf *out)
{
	static const struct {
		const char *name, *type, *help;
	} rows[] = {
		{"tyr_mailbox_depth", "gauge", "Messages waiting in an actor's mailbox."},
		{"tyr_mailbox_capacity", "gauge", "Messages that an actor's mailbox can hold."},
		{"tyr_mailbox_pushed_total", "counter", "Messages handed to an actor."},
		{"tyr_mailbox_rejected_total", "counter",
		 "Messages refused because a lane was full."},
	};
	struct mailbox_stats *stats = xcalloc(deps->n_mailboxes + 1, sizeof(*stats));
	for (unsigned m = 0; m < deps->n_mailboxes; m++)
		mailbox_stats(deps->mailboxes[m], &stats[m]);
	for (int row = 0; row < (int)ARRAY_LEN(rows); row++) {
		add_head(out, rows[row].name, rows[row].type, rows[row].help);
		for (unsigned m = 0; m < deps->n_mailboxes; m++)
			buf_addf(out, "%s{mailbox=\"%s\"} %" PRIu64 "\n", rows[row].name,
				 mailbox_name(deps->mailboxes[m]), figure(&stats[m], row));
	}
	free(stats);
}

static void add_partition(const struct net_deps *deps, struct buf *out, const char *name, bool lag)
{
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		for (int32_t p = 0; p < deps->partitions; p++) {
			const struct partition_gauge *g = &deps->gauges[kind][p];
			const int64_t behind = atomic_load_explicit(&g->lag, memory_order_relaxed);
			const int64_t next =
				atomic_load_explicit(&g->next_offset, memory_order_relaxed);
			if (behind >= 0)
				buf_addf(out, "%s{topic=\"%s\",partition=\"%d\"} %" PRId64 "\n",
					 name, event_word((enum event_kind)kind), p,
					 lag ? behind : next);
		}
	}
}

static void add_partitions(const struct net_deps *deps, struct buf *out)
{
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		if (deps->gauges[kind] == NULL)
			return;
	}
	add_head(out, "tyr_consumer_lag", "gauge",
		 "Kafka messages of a partition of ours that are not read yet.");
	add_partition(deps, out, "tyr_consumer_lag", true);
	add_head(out, "tyr_partition_next_offset", "gauge",
		 "Committed next offset of a partition of ours.");
	add_partition(deps, out, "tyr_partition_next_offset", false);
}

static long resident_pages(void)
{
	long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident;
}

/* The entries of a folder of /proc; the folder itself is open meanwhile, see its use. */
static long count_entries(const char *path)
{
	long n = 0;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	const struct dirent *entry;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void add_process(const struct server *s, struct buf *out)
{
	struct rusage usage = {0};
	(void)getrusage(RUSAGE_SELF, &usage);
	const double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	add_head(out, "tyr_process_resident_memory_bytes", "gauge", "Resident memory.");
	buf_addf(out, "tyr_process_resident_memory_bytes %ld\n",
		 resident_pages() * sysconf(_SC_PAGESIZE));
	add_head(out, "tyr_process_open_fds", "gauge", "Open file descriptors.");
	buf_addf(out, "tyr_process_open_fds %ld\n", count_entries("/proc/self/fd") - 1);
	add_head(out, "tyr_process_threads", "gauge", "Threads.");
	buf_addf(out, "tyr_process_threads %ld\n", count_entries("/proc/self/task"));
	add_head(out, "tyr_process_cpu_seconds_total", "counter", "Processor time used.");
	buf_addf(out, "tyr_process_cpu_seconds_total %.6f\n", cpu_s);
	add_head(out, "tyr_process_start_time_seconds", "gauge",
		 "When the server started, since 1970.");
	buf_addf(out, "tyr_process_start_time_seconds %.3f\n", (double)s->started_ms / 1000.0);
	add_head(out, "tyr_build_info", "gauge", "The version that runs.");
	buf_adds(out, "tyr_build_info{version=\"" VERSION "\"} 1\n");
}

void admin_metrics(struct request *r)
{
	const struct server *s = r->w->server;
	struct buf *out = response_begin(r);
	metrics_print(s->deps.metrics, out);
	add_requests(s, out);
	add_mailboxes(&s->deps, out);
	add_partitions(&s->deps, out);
	add_process(s, out);
	response_send_as(r, 200, "text/plain; version=0.0.4");
}

void admin_livez(struct request *r)
{
	buf_adds(response_begin(r), "{\"status\":\"ok\"}");
	response_send(r, 200);
}

static const char *up_word(int up)
{
	return up < 0 ? "off" : up > 0 ? "up" : "down";
}

void admin_readyz(struct request *r)
{
	const struct server *s = r->w->server;
	const struct health *health = s->deps.health;
	const int kafka = atomic_load_explicit(&health->kafka, memory_order_relaxed);
	const int spool = atomic_load_explicit(&health->spool, memory_order_relaxed);
	const int postgres = atomic_load_explicit(&health->postgres, memory_order_relaxed);
	const int redis = atomic_load_explicit(&health->redis, memory_order_relaxed);
	/* Without the role to accept events there is only PostgreSQL that nothing goes without. */
	const bool accepting =
		(s->deps.roles & ROLE_INGEST) != 0 ? kafka != 0 || spool > 0 : postgres != 0;
	const bool stopping = atomic_load(&s->draining);
	const bool starting = !atomic_load(&s->deps.health->started);
	const char *status = "degraded";
	if (stopping)
		status = "stopping";
	else if (starting)
		status = "starting";
	else if (!accepting)
		status = "unavailable";
	else if (kafka && postgres && redis)
		status = "ready";
	buf_addf(response_begin(r),
		 "{\"status\":\"%s\",\"dependencies\":{\"kafka\":{\"status\":\"%s\"},"
		 "\"spool\":{\"status\":\"%s\"},\"postgres\":{\"status\":\"%s\"},"
		 "\"redis\":{\"status\":\"%s\"}}}",
		 status, up_word(kafka),
		 spool < 0 ? "off"
		 : spool   ? "up"
			   : "full",
		 up_word(postgres), up_word(redis));
	response_send(r, stopping || starting || !accepting ? 503 : 200);
}
