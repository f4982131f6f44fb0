/*
 * The history cache: for each campaign that somebody asked for, its closed days, read without a
 * lock.
 *
 * Overview: an entry is immutable and replaced whole (liburcu's lock-free hash table, old entries
 * freed by call_rcu). The history actor is the only writer: it loads campaigns on request, follows
 * the list of changed days every HISTORY_POLL_MS, and says after each round how fresh the whole
 * cache is (as_of). A reader that finds the cache older than HISTORY_MAX_AGE_NS must ask
 * PostgreSQL; then no answer is more than a second old. Threads: a reading thread calls
 * history_thread_start at its start and history_thread_stop at its end. Ownership: readers copy out
 * and hold nothing.
 */
#ifndef STORE_HISTORY_CACHE_H
#define STORE_HISTORY_CACHE_H

#include "domain/totals.h"
#include "util/buf.h"
#include "util/uuid.h"

#define HISTORY_MAX_AGE_NS 700000000ull

struct history_cache;

/** Appends the text of a day, which may depend on nothing else. @thread any */
typedef void history_row_fn(const struct day_totals *day, struct buf *out);

/** @row_fn writes what history_rows returns. */
struct history_cache *history_cache_new(int64_t max_days, history_row_fn *row_fn) MUST_CHECK;

/** @thread main, after every reader and the writer have ended */
void history_cache_free(struct history_cache *cache);

/** Register, unregister the calling thread as a reader. */
void history_thread_start(void);
void history_thread_stop(void);

/** The moment (monotonic) from before which the cache has everything; 0: never. What is looked up
 * afterwards is at least as fresh. @thread any */
uint64_t history_as_of(const struct history_cache *cache);

enum history_result {
	HISTORY_HIT,
	HISTORY_MISS,  /* the campaign is not cached: ask PostgreSQL, and warm it with MSG_WARM */
	HISTORY_STALE, /* the cache cannot vouch for itself now: ask PostgreSQL */
};

/**
 * Copy the non-empty days of @campaign inside [@from, @to] that are closed, ascending, to @days
 * (room for to - from + 1), their number to @n, and to @through the last closed day: days behind it
 * are not the cache's to answer. @days may be NULL if @to < @from.
 * @thread any registered reader
 */
enum history_result history_lookup(struct history_cache *cache, const struct uuid *campaign,
				   int32_t from, int32_t to, struct day_totals *days, size_t *n,
				   int32_t *through) MUST_CHECK;

/**
 * The same days as text: append their rows to @rows, the newest first, with commas between. The
 * first reader that asks for a campaign writes the text for all others.
 * @thread any registered reader
 */
enum history_result history_rows(struct history_cache *cache, const struct uuid *campaign,
				 int32_t from, int32_t to, struct buf *rows,
				 int32_t *through) MUST_CHECK;

/* What follows is the history actor's. */

/** Put a campaign's closed days in (ascending; copied), or replace them. May evict the campaign
 * loaded longest ago. */
void history_put(struct history_cache *cache, const struct uuid *campaign,
		 const struct day_totals *days, size_t n, int32_t through);

/** Set one day of a campaign if it is cached; an empty day is taken out. Days behind `through` are
 * kept, not shown. */
void history_set_day(struct history_cache *cache, const struct uuid *campaign,
		     const struct day_totals *day);

/** Is the campaign cached? @thread history */
bool history_has(struct history_cache *cache, const struct uuid *campaign);

/** Forget everything. */
void history_clear(struct history_cache *cache);

/** Everything up to @through is closed, for every entry; their new days were already set. */
void history_set_through(struct history_cache *cache, int32_t through);

/** The cache is exact as of @as_of_ns (monotonic): the time before the round's reading began. */
void history_set_as_of(struct history_cache *cache, uint64_t as_of_ns);

/** For the gauges. @thread history */
int64_t history_campaigns(const struct history_cache *cache);
int64_t history_days(const struct history_cache *cache);

#endif
