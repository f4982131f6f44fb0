/*
 * The metrics: sums over blocks, buckets, the Prometheus text, and counting from many threads.
 */
#include "test.h"

#include <pthread.h>

#include "util/metrics.h"

#define THREADS 8
#define ROUNDS 20000

static void test_sums_over_blocks(void **state)
{
	struct metrics_set *set = metrics_set_new();
	struct metrics *a = metrics_block_new(set);
	struct metrics *b = metrics_block_new(set);

	(void)state;
	assert_int_equal((uintptr_t)a % CACHE_LINE, 0);
	assert_int_equal((uintptr_t)b % CACHE_LINE, 0);
	metrics_add(a, M_ACCEPTED, 3);
	metrics_add(b, M_ACCEPTED, 4);
	metrics_add(a, M_REJECTED, 1);
	assert_int_equal(metrics_sum(set, M_ACCEPTED), 7);
	assert_int_equal(metrics_sum(set, M_REJECTED), 1);
	assert_int_equal(metrics_sum(set, M_RETRY), 0);

	metrics_add(a, M_HTTP_CONNECTIONS, 5);
	metrics_add(b, M_HTTP_CONNECTIONS, -2);
	assert_int_equal(metrics_sum(set, M_HTTP_CONNECTIONS), 3);
	metrics_add(b, M_HTTP_CONNECTIONS, -4);
	assert_int_equal(metrics_sum(set, M_HTTP_CONNECTIONS), -1);

	metrics_set(a, M_REDIS_UP, 1);
	metrics_set(a, M_REDIS_UP, 0);
	metrics_set(b, M_REDIS_UP, 1);
	assert_int_equal(metrics_sum(set, M_REDIS_UP), 1);
	metrics_set_free(set);
}

/* Each row has cells of its own: counting in one leaves all others alone. */
static void test_rows_do_not_overlap(void **state)
{
	static const char *const kinds[] = {
#define METRIC(id, kind, name, labels, help) [id] = #kind,
#include "util/metrics.def"
#undef METRIC
	};

	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		struct metrics_set *set = metrics_set_new();
		struct metrics *m = metrics_block_new(set);
		for (uint64_t value = 1; value < UINT64_MAX / 10; value *= 3) {
			if (strncmp(kinds[i], "HISTOGRAM", 9) == 0)
				metrics_observe(m, (enum metric)i, value);
			else
				metrics_add(m, (enum metric)i, 1);
		}
		for (size_t j = 0; j < METRIC_COUNT; j++)
			assert_int_equal(metrics_sum(set, (enum metric)j) > 0, i == j);
		metrics_set_free(set);
	}
}

static void assert_prints(const struct metrics_set *set, const char *lines)
{
	struct buf out = BUF_INIT;

	metrics_print(set, &out);
	if (strstr(out.data, lines) == NULL)
		fail_msg("expected\n%sin\n%s", lines, out.data);
	buf_release(&out);
}

static void test_prints_counters(void **state)
{
	struct metrics_set *set = metrics_set_new();
	struct metrics *m = metrics_block_new(set);

	(void)state;
	metrics_add(m, M_ACCEPTED, 12);
	metrics_set(m, M_KAFKA_OLDEST_MS, -7);
	assert_prints(set, "# HELP tyr_accepted_total Events received over HTTP, by answer.\n"
			   "# TYPE tyr_accepted_total counter\n"
			   "tyr_accepted_total{outcome=\"accepted\"} 12\n"
			   "tyr_accepted_total{outcome=\"rejected\"} 0\n");
	assert_prints(set, "# TYPE tyr_kafka_oldest_unacknowledged_ms gauge\n"
			   "tyr_kafka_oldest_unacknowledged_ms -7\n");
	metrics_set_free(set);
}

/* Bounds belong to their bucket, as Prometheus' le says; buckets are cumulative. */
static void test_prints_histograms(void **state)
{
	static const uint64_t ns[] = {0, 100000, 100001, 2500000000, 10000000000, 10000000001};
	static const uint64_t events[] = {0, 1, 2, 3, 50000, 50001};
	struct metrics_set *set = metrics_set_new();
	struct metrics *a = metrics_block_new(set);
	struct metrics *b = metrics_block_new(set);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
		metrics_observe(i % 2 ? a : b, M_ACK, ns[i]);
		metrics_observe(i % 2 ? a : b, M_BATCH_EVENTS, events[i]);
	}
	assert_int_equal(metrics_sum(set, M_ACK), ARRAY_LEN(ns));
	assert_prints(set, "# TYPE tyr_ack_seconds histogram\n"
			   "tyr_ack_seconds_bucket{le=\"0.0001\"} 2\n"
			   "tyr_ack_seconds_bucket{le=\"0.00025\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.0005\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.001\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.0025\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.005\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.01\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.025\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.05\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.1\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.25\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"0.5\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"1\"} 3\n"
			   "tyr_ack_seconds_bucket{le=\"2.5\"} 4\n"
			   "tyr_ack_seconds_bucket{le=\"5\"} 4\n"
			   "tyr_ack_seconds_bucket{le=\"10\"} 5\n"
			   "tyr_ack_seconds_bucket{le=\"+Inf\"} 6\n"
			   "tyr_ack_seconds_sum 22.500200002\n"
			   "tyr_ack_seconds_count 6\n");
	assert_prints(set, "tyr_batch_events_bucket{le=\"1\"} 2\n"
			   "tyr_batch_events_bucket{le=\"2\"} 3\n"
			   "tyr_batch_events_bucket{le=\"5\"} 4\n");
	assert_prints(set, "tyr_batch_events_bucket{le=\"20000\"} 4\n"
			   "tyr_batch_events_bucket{le=\"50000\"} 5\n"
			   "tyr_batch_events_bucket{le=\"+Inf\"} 6\n"
			   "tyr_batch_events_sum 100007\n"
			   "tyr_batch_events_count 6\n");
	metrics_set_free(set);
}

/* The format's rules: a family is announced once, by HELP then TYPE, before its only samples. */
static void test_text_is_well_formed(void **state)
{
	struct metrics_set *set = metrics_set_new();
	struct buf out = BUF_INIT;
	char family[128] = "", seen[8192] = "\n";
	size_t seen_len = 1;

	(void)state;
	metrics_print(set, &out);
	assert_int_equal(out.data[out.len - 1], '\n');
	for (char *line = out.data, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (strncmp(line, "# HELP ", 7) == 0) {
			char marked[130];
			snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "),
				 line + 7);
			assert_true(strlen(line + 7) > strlen(family) + 1);
			snprintf(marked, sizeof(marked), "\n%s\n", family);
			assert_null(strstr(seen, marked));
			seen_len += (size_t)snprintf(seen + seen_len, sizeof(seen) - seen_len,
						     "%s\n", family);
			assert_true(seen_len < sizeof(seen));
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
			assert_int_equal(line[7 + strlen(family)], ' ');
			continue;
		}
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		assert_non_null(strchr("{ _", line[strlen(family)]));
		assert_non_null(strrchr(line, ' '));
	}
	buf_release(&out);
	metrics_set_free(set);
}

static void test_empty_set(void **state)
{
	struct metrics_set *set = metrics_set_new();

	(void)state;
	assert_int_equal(metrics_sum(set, M_ACCEPTED), 0);
	assert_prints(set, "tyr_rebalances_total 0\n");
	metrics_set_free(set);
	metrics_set_free(NULL);
}

struct shared {
	struct metrics_set *set;
	struct metrics *block;
};

/* Half of the counting goes into a shared block, half into one of its own, made while others print.
 */
static void *count(void *arg)
{
	struct shared *shared = arg;
	struct metrics *own = metrics_block_new(shared->set);

	for (int i = 0; i < ROUNDS; i++) {
		metrics_add(shared->block, M_ACCEPTED, 1);
		metrics_add(own, M_ACCEPTED, 1);
		metrics_add(shared->block, M_HTTP_CONNECTIONS, i % 2 ? -1 : 1);
		metrics_observe(shared->block, M_ACK, (uint64_t)i * 1000);
		if (i % 5000 == 0) {
			struct buf out = BUF_INIT;
			metrics_print(shared->set, &out);
			buf_release(&out);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct shared shared = {.set = metrics_set_new()};
	pthread_t threads[THREADS];
	int64_t last = 0;

	(void)state;
	shared.block = metrics_block_new(shared.set);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &shared), 0);
	for (int i = 0; i < 100; i++) {
		const int64_t now = metrics_sum(shared.set, M_ACCEPTED);
		assert_true(now >= last);
		last = now;
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(metrics_sum(shared.set, M_ACCEPTED), 2 * THREADS * ROUNDS);
	assert_int_equal(metrics_sum(shared.set, M_HTTP_CONNECTIONS), 0);
	assert_int_equal(metrics_sum(shared.set, M_ACK), THREADS * ROUNDS);
	metrics_set_free(shared.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_over_blocks),
		cmocka_unit_test(test_rows_do_not_overlap),
		cmocka_unit_test(test_prints_counters),
		cmocka_unit_test(test_prints_histograms),
		cmocka_unit_test(test_text_is_well_formed),
		cmocka_unit_test(test_empty_set),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
