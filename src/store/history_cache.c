/*
 * The history cache: liburcu's lock-free hash table of immutable campaign entries.
 *
 * Runs on readers (history_lookup, on HTTP workers) and on the history actor (everything that
 * writes).
 *
 * fresh_note: the actor reads PostgreSQL, replaces entries, then stores as_of. A reader loads as_of
 * first and looks the entry up afterwards, so what it finds is at least as fresh as the as_of it
 * judged by. `through` is stored in each entry: an entry answers for the days up to its own
 * `through` and no further.
 *
 * text_note: writing a year's rows costs a hundred times what copying them does, so an entry's text
 * is kept with it. Readers that write it at the same time write the same; one of them stays.
 */
#include "store/history_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RCU_MEMB
#include <urcu/urcu-memb.h>
#include <urcu/rculfhash.h>

#include "util/clock.h"
#include "util/tsan.h"

#define TABLE_SIZE 16384 /* fixed: automatic resizing has bugs in this version */

/* Addresses that stand for the edges of tsan_note; nothing is stored there. */
static const char published_edge, read_edge;

/* An entry's non-empty days as text, newest first, a comma behind each. */
struct row_text {
	struct buf rows;
	size_t ends[]; /* by place in days: where its row, comma and all, ends */
};

struct entry {
	struct cds_lfht_node node;
	struct rcu_head rcu;
	struct entry *older, *newer; /* the writer's: in the order of loading */
	struct uuid campaign;
	int32_t through;
	_Atomic(struct row_text *) text; /* NULL until a reader wants it; see text_note */
	size_t n;
	struct day_totals days[]; /* ascending */
};

struct history_cache {
	/* set at start, then read-only */
	history_row_fn *row_fn;

	/* shared */
	struct cds_lfht *table;
	_Atomic uint64_t as_of_ns;

	/* owned by the history actor */
	struct entry *oldest, *newest;
	int64_t campaigns;
	int64_t days;
	int64_t max_days;
};

struct history_cache *history_cache_new(int64_t max_days, history_row_fn *row_fn)
{
	struct history_cache *cache = xcalloc_aligned(1, sizeof(*cache));
	cache->table =
		cds_lfht_new_flavor(TABLE_SIZE, TABLE_SIZE, TABLE_SIZE, 0, &urcu_memb_flavor, NULL);
	ASSERT(cache->table != NULL);
	cache->max_days = max_days;
	cache->row_fn = row_fn;
	return cache;
}

void history_thread_start(void)
{
	urcu_memb_register_thread();
}

void history_thread_stop(void)
{
	urcu_memb_unregister_thread();
}

static int entry_matches(struct cds_lfht_node *node, const void *key)
{
	const struct entry *e = caa_container_of(node, struct entry, node);
	TSAN_ACQUIRE(&published_edge); /* see tsan_note */
	return uuid_is_equal(&e->campaign, key);
}

/* Inside a read-side section. */
static struct entry *find(struct history_cache *cache, const struct uuid *campaign)
{
	struct cds_lfht_iter iter;
	cds_lfht_lookup(cache->table, uuid_hash(campaign), entry_matches, campaign, &iter);
	struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
	return node != NULL ? caa_container_of(node, struct entry, node) : NULL;
}

/* The first day at or after @day. */
static size_t lower_bound(const struct entry *e, int32_t day)
{
	size_t low = 0, high = e->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (e->days[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t history_as_of(const struct history_cache *cache)
{
	/* acquire: see fresh_note */
	return atomic_load_explicit(&cache->as_of_ns, memory_order_acquire);
}

static bool is_stale(const struct history_cache *cache)
{
	const uint64_t as_of = history_as_of(cache);
	return as_of == 0 || clock_mono_ns() - as_of > HISTORY_MAX_AGE_NS;
}

enum history_result history_lookup(struct history_cache *cache, const struct uuid *campaign,
				   int32_t from, int32_t to, struct day_totals *days, size_t *n,
				   int32_t *through)
{
	if (is_stale(cache))
		return HISTORY_STALE;
	*n = 0;
	urcu_memb_read_lock();
	const struct entry *e = find(cache, campaign);
	if (e != NULL) {
		const int32_t last = to < e->through ? to : e->through;
		for (size_t i = lower_bound(e, from); i < e->n && e->days[i].day <= last; i++)
			days[(*n)++] = e->days[i];
		*through = e->through;
	}
	TSAN_RELEASE(&read_edge);
	urcu_memb_read_unlock();
	return e != NULL ? HISTORY_HIT : HISTORY_MISS;
}

static void free_text(struct row_text *t)
{
	if (t != NULL)
		buf_release(&t->rows);
	free(t);
}

/* See text_note. */
static const struct row_text *text_of(const struct history_cache *cache, struct entry *e)
{
	struct row_text *t = atomic_load_explicit(&e->text, memory_order_acquire);
	if (t != NULL)
		return t;
	struct row_text *mine = xcalloc(1, sizeof(*mine) + e->n * sizeof(mine->ends[0]));
	for (size_t i = e->n; i-- > 0;) {
		if (!totals_is_zero(&e->days[i].totals)) {
			cache->row_fn(&e->days[i], &mine->rows);
			buf_addc(&mine->rows, ',');
		}
		mine->ends[i] = mine->rows.len;
	}
	if (atomic_compare_exchange_strong(&e->text, &t, mine))
		return mine;
	free_text(mine);
	return t;
}

/* Inside a read-side section. */
static void add_rows(const struct history_cache *cache, struct entry *e, int32_t from, int32_t to,
		     struct buf *rows)
{
	const size_t low = lower_bound(e, from);
	const size_t high = lower_bound(e, (to < e->through ? to : e->through) + 1);
	if (low >= high)
		return;
	const struct row_text *t = text_of(cache, e);
	const size_t begin = high < e->n ? t->ends[high] : 0;
	if (t->ends[low] > begin)
		buf_add(rows, t->rows.data + begin, t->ends[low] - begin - 1); /* no last comma */
}

enum history_result history_rows(struct history_cache *cache, const struct uuid *campaign,
				 int32_t from, int32_t to, struct buf *rows, int32_t *through)
{
	if (is_stale(cache))
		return HISTORY_STALE;
	urcu_memb_read_lock();
	struct entry *e = find(cache, campaign);
	if (e != NULL) {
		add_rows(cache, e, from, to, rows);
		*through = e->through;
	}
	TSAN_RELEASE(&read_edge);
	urcu_memb_read_unlock();
	return e != NULL ? HISTORY_HIT : HISTORY_MISS;
}

static void free_entry(struct rcu_head *head)
{
	struct entry *e = caa_container_of(head, struct entry, rcu);
	TSAN_ACQUIRE(&read_edge);
	free_text(atomic_load_explicit(&e->text, memory_order_acquire));
	free(e);
}

static void unlink_entry(struct history_cache *cache, struct entry *e)
{
	*(e->older != NULL ? &e->older->newer : &cache->oldest) = e->newer;
	*(e->newer != NULL ? &e->newer->older : &cache->newest) = e->older;
	cache->campaigns--;
	cache->days -= (int64_t)e->n;
}

static void link_entry(struct history_cache *cache, struct entry *e)
{
	e->older = cache->newest;
	e->newer = NULL;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = e;
	cache->newest = e;
	cache->campaigns++;
	cache->days += (int64_t)e->n;
}

static void remove_entry(struct history_cache *cache, struct entry *e)
{
	urcu_memb_read_lock();
	(void)cds_lfht_del(cache->table, &e->node);
	urcu_memb_read_unlock();
	unlink_entry(cache, e);
	urcu_memb_call_rcu(&e->rcu, free_entry);
}

static struct entry *new_entry(const struct uuid *campaign, size_t n, int32_t through)
{
	struct entry *e = xcalloc(1, sizeof(*e) + n * sizeof(e->days[0]));
	cds_lfht_node_init(&e->node);
	e->campaign = *campaign;
	e->through = through;
	e->n = n;
	return e;
}

/* Put @e in, in place of an entry of the same campaign if there is one. */
static void insert_entry(struct history_cache *cache, struct entry *e)
{
	TSAN_RELEASE(&published_edge);
	urcu_memb_read_lock();
	struct cds_lfht_node *node = cds_lfht_add_replace(cache->table, uuid_hash(&e->campaign),
							  entry_matches, &e->campaign, &e->node);
	urcu_memb_read_unlock();
	if (node != NULL) {
		struct entry *old = caa_container_of(node, struct entry, node);
		unlink_entry(cache, old);
		urcu_memb_call_rcu(&old->rcu, free_entry);
	}
	link_entry(cache, e);
}

void history_put(struct history_cache *cache, const struct uuid *campaign,
		 const struct day_totals *days, size_t n, int32_t through)
{
	struct entry *e = new_entry(campaign, n, through);
	if (n > 0)
		memcpy(e->days, days, n * sizeof(*days));
	insert_entry(cache, e);
	while (cache->days > cache->max_days && cache->oldest != e)
		remove_entry(cache, cache->oldest);
}

bool history_has(struct history_cache *cache, const struct uuid *campaign)
{
	urcu_memb_read_lock();
	const bool has = find(cache, campaign) != NULL;
	urcu_memb_read_unlock();
	return has;
}

void history_set_day(struct history_cache *cache, const struct uuid *campaign,
		     const struct day_totals *day)
{
	urcu_memb_read_lock();
	const struct entry *old =
		find(cache, campaign); /* stays: this thread alone removes entries */
	urcu_memb_read_unlock();
	if (old == NULL)
		return;
	const size_t at = lower_bound(old, day->day);
	const bool replaces = at < old->n && old->days[at].day == day->day;
	const bool keeps = !totals_is_zero(&day->totals);
	const size_t rest = at + (replaces ? 1 : 0);
	struct entry *e =
		new_entry(campaign, old->n + (keeps ? 1 : 0) - (replaces ? 1 : 0), old->through);
	memcpy(e->days, old->days, at * sizeof(e->days[0]));
	if (keeps)
		e->days[at] = *day;
	memcpy(e->days + at + (keeps ? 1 : 0), old->days + rest,
	       (old->n - rest) * sizeof(e->days[0]));
	insert_entry(cache, e);
}

void history_set_through(struct history_cache *cache, int32_t through)
{
	struct entry *newer;
	const struct entry *last = cache->newest;
	for (struct entry *old = cache->oldest; old != NULL; old = newer) {
		newer = old != last ? old->newer : NULL;
		struct entry *e = new_entry(&old->campaign, old->n, through);
		memcpy(e->days, old->days, old->n * sizeof(e->days[0]));
		insert_entry(cache, e);
	}
}

void history_clear(struct history_cache *cache)
{
	while (cache->oldest != NULL)
		remove_entry(cache, cache->oldest);
}

void history_set_as_of(struct history_cache *cache, uint64_t as_of_ns)
{
	/* release: see fresh_note */
	atomic_store_explicit(&cache->as_of_ns, as_of_ns, memory_order_release);
}

int64_t history_campaigns(const struct history_cache *cache)
{
	return cache->campaigns;
}

int64_t history_days(const struct history_cache *cache)
{
	return cache->days;
}

void history_cache_free(struct history_cache *cache)
{
	if (cache == NULL)
		return;
	urcu_memb_register_thread();
	history_clear(cache);
	urcu_memb_barrier(); /* every entry is freed: none is left for a leak report */
	urcu_memb_unregister_thread();
	ASSERT(cds_lfht_destroy(cache->table, NULL) == 0);
	free(cache);
}
