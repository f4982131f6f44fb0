/*
 * The blocks of cells, their sum, and the Prometheus text.
 *
 * Threads: any. A counter or gauge takes one cell, a histogram one cell for each bucket and one for
 * the sum of its values; the enum below lays them out from metrics.def, so a block is as large as
 * its rows need.
 *
 * Memory order: cells are relaxed, they order nothing. A new block is pushed onto the set's list
 * with release, and the list is read with acquire, so a scraper sees the block zeroed; the pushes
 * are one release sequence, so that holds for the older blocks behind it too. Blocks only leave the
 * list when the set is freed.
 */
#include "util/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

/* upper bound, and the same as Prometheus wants to read it */
#define SECONDS_BOUNDS(X)                                                                          \
	X(100000, "0.0001")                                                                        \
	X(250000, "0.00025")                                                                       \
	X(500000, "0.0005")                                                                        \
	X(1000000, "0.001")                                                                        \
	X(2500000, "0.0025")                                                                       \
	X(5000000, "0.005")                                                                        \
	X(10000000, "0.01")                                                                        \
	X(25000000, "0.025")                                                                       \
	X(50000000, "0.05")                                                                        \
	X(100000000, "0.1")                                                                        \
	X(250000000, "0.25")                                                                       \
	X(500000000, "0.5")                                                                        \
	X(1000000000, "1")                                                                         \
	X(2500000000, "2.5")                                                                       \
	X(5000000000, "5")                                                                         \
	X(10000000000, "10")                                                                       \
	X(UINT64_MAX, "+Inf")

#define COUNT_BOUNDS(X)                                                                            \
	X(1, "1")                                                                                  \
	X(2, "2")                                                                                  \
	X(5, "5")                                                                                  \
	X(10, "10")                                                                                \
	X(20, "20")                                                                                \
	X(50, "50")                                                                                \
	X(100, "100")                                                                              \
	X(200, "200")                                                                              \
	X(500, "500")                                                                              \
	X(1000, "1000")                                                                            \
	X(2000, "2000")                                                                            \
	X(5000, "5000")                                                                            \
	X(10000, "10000")                                                                          \
	X(20000, "20000")                                                                          \
	X(50000, "50000")                                                                          \
	X(UINT64_MAX, "+Inf")

struct bound {
	uint64_t limit; /* the bucket holds values up to and including it */
	const char *text;
};

#define BOUND_ROW(limit, text) {limit, text},
static const struct bound seconds_bounds[] = {SECONDS_BOUNDS(BOUND_ROW)};
static const struct bound count_bounds[] = {COUNT_BOUNDS(BOUND_ROW)};
#undef BOUND_ROW

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM_SECONDS, KIND_HISTOGRAM_COUNT };

struct kind_info {
	const char *type; /* in # TYPE */
	const struct bound *bounds;
	size_t bound_count;
};

static const struct kind_info kinds[] = {
	[KIND_COUNTER] = {"counter", NULL, 0},
	[KIND_GAUGE] = {"gauge", NULL, 0},
	[KIND_HISTOGRAM_SECONDS] = {"histogram", seconds_bounds, ARRAY_LEN(seconds_bounds)},
	[KIND_HISTOGRAM_COUNT] = {"histogram", count_bounds, ARRAY_LEN(count_bounds)},
};

/* How many cells a row takes, and where: CELL_<id> is the first, CELL_LAST_<id> the last. */
#define CELLS_COUNTER 1
#define CELLS_GAUGE 1
#define CELLS_HISTOGRAM_SECONDS (ARRAY_LEN(seconds_bounds) + 1)
#define CELLS_HISTOGRAM_COUNT (ARRAY_LEN(count_bounds) + 1)

#define METRIC(id, kind, name, labels, help)                                                       \
	CELL_##id, CELL_LAST_##id = CELL_##id + CELLS_##kind - 1,
enum cell {
#include "util/metrics.def"
	CELL_COUNT
};
#undef METRIC

struct row {
	const char *name;
	const char *labels;
	const char *help;
	enum kind kind;
	size_t cell;
};

#define METRIC(id, kind, name, labels, help) [id] = {name, labels, help, KIND_##kind, CELL_##id},
static const struct row rows[] = {
#include "util/metrics.def"
};
#undef METRIC

struct metrics {
	_Atomic uint64_t cells[CELL_COUNT]; /* gauges are signed and wrap into it */
	struct metrics *next; /* set before the block is on the list, then read-only */
};

struct metrics_set {
	_Atomic(struct metrics *) blocks; /* the newest; only ever grows */
};

static void cell_add(struct metrics *m, size_t cell, uint64_t n)
{
	atomic_fetch_add_explicit(&m->cells[cell], n, memory_order_relaxed);
}

/* The sum of @count cells from @first on over all blocks, into @totals. */
static void sum_cells(const struct metrics_set *set, size_t first, size_t count, uint64_t *totals)
{
	const struct metrics *m = atomic_load_explicit(&set->blocks, memory_order_acquire);

	memset(totals, 0, count * sizeof(*totals));
	for (; m != NULL; m = m->next) {
		const _Atomic uint64_t *cells = m->cells + first;
		for (size_t i = 0; i < count; i++)
			totals[i] += atomic_load_explicit(&cells[i], memory_order_relaxed);
	}
}

static void print_labels(struct buf *out, const char *labels)
{
	if (*labels != '\0')
		buf_addf(out, "{%s}", labels);
}

/*
 * Buckets are cumulative in the text. The count is the last of them rather than a cell of its own,
 * so that the two agree in every scrape.
 */
static void print_histogram(const struct row *row, const uint64_t *totals, struct buf *out)
{
	const struct kind_info *kind = &kinds[row->kind];
	const uint64_t sum = totals[kind->bound_count];
	uint64_t count = 0;

	for (size_t i = 0; i < kind->bound_count; i++) {
		count += totals[i];
		buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", row->name, row->labels,
			 *row->labels == '\0' ? "" : ",", kind->bounds[i].text, count);
	}
	buf_addf(out, "%s_sum", row->name);
	print_labels(out, row->labels);
	if (row->kind == KIND_HISTOGRAM_SECONDS)
		buf_addf(out, " %llu.%09llu\n", sum / NS_PER_S, sum % NS_PER_S);
	else
		buf_addf(out, " %" PRIu64 "\n", sum);
	buf_addf(out, "%s_count", row->name);
	print_labels(out, row->labels);
	buf_addf(out, " %" PRIu64 "\n", count);
}

struct metrics_set *metrics_set_new(void)
{
	return xcalloc(1, sizeof(struct metrics_set));
}

void metrics_set_free(struct metrics_set *set)
{
	if (set == NULL)
		return;
	struct metrics *m = atomic_load_explicit(&set->blocks, memory_order_acquire);
	while (m != NULL) {
		struct metrics *next = m->next;
		free(m);
		m = next;
	}
	free(set);
}

struct metrics *metrics_block_new(struct metrics_set *set)
{
	struct metrics *m = xcalloc_aligned(1, sizeof(*m));

	m->next = atomic_load_explicit(&set->blocks, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&set->blocks, &m->next, m,
						      memory_order_release, memory_order_relaxed))
		;
	return m;
}

void metrics_add(struct metrics *m, enum metric id, int64_t n)
{
	const struct row *row = &rows[id];

	ASSERT(row->kind == KIND_GAUGE || (row->kind == KIND_COUNTER && n >= 0));
	cell_add(m, row->cell, (uint64_t)n);
}

void metrics_set(struct metrics *m, enum metric id, int64_t value)
{
	const struct row *row = &rows[id];

	ASSERT(row->kind == KIND_GAUGE);
	atomic_store_explicit(&m->cells[row->cell], (uint64_t)value, memory_order_relaxed);
}

void metrics_observe(struct metrics *m, enum metric id, uint64_t value)
{
	const struct row *row = &rows[id];
	const struct kind_info *kind = &kinds[row->kind];
	size_t bucket = 0;

	ASSERT(kind->bound_count > 0);
	while (value > kind->bounds[bucket].limit)
		bucket++;
	cell_add(m, row->cell + bucket, 1);
	cell_add(m, row->cell + kind->bound_count, value);
}

int64_t metrics_sum(const struct metrics_set *set, enum metric id)
{
	const struct row *row = &rows[id];
	const size_t buckets = kinds[row->kind].bound_count;
	const size_t count = buckets == 0 ? 1 : buckets;
	uint64_t totals[CELL_COUNT];
	uint64_t sum = 0;

	sum_cells(set, row->cell, count, totals);
	for (size_t i = 0; i < count; i++)
		sum += totals[i];
	return (int64_t)sum;
}

void metrics_print(const struct metrics_set *set, struct buf *out)
{
	uint64_t totals[CELL_COUNT];
	const char *family = "";

	sum_cells(set, 0, CELL_COUNT, totals);
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct row *row = &rows[i];
		if (strcmp(row->name, family) != 0) {
			family = row->name;
			buf_addf(out, "# HELP %s %s\n", family, row->help);
			buf_addf(out, "# TYPE %s %s\n", family, kinds[row->kind].type);
		}
		if (kinds[row->kind].bound_count > 0) {
			print_histogram(row, totals + row->cell, out);
			continue;
		}
		buf_adds(out, row->name);
		print_labels(out, row->labels);
		buf_addf(out, " %" PRId64 "\n", (int64_t)totals[row->cell]);
	}
}
