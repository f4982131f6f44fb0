/*
 * The cells of recent readings.
 *
 * Runs on the live actor (put) and on CivetWeb's workers (get).
 *
 * cell_note: a cell's turn is odd while it is written. Each word is stored with release after the
 * odd turn, so a reader that got any new word with acquire finds the turn changed at its second
 * look, and takes the reading for missing. Words are atomic: a torn reading is thrown away, and no
 * access is a race.
 */
#include "store/recent_days.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 1024
#define WORDS ((sizeof(struct recent_day) + sizeof(uint64_t) - 1) / sizeof(uint64_t))

struct cell {
	_Atomic uint64_t turn;
	_Atomic uint64_t words[WORDS];
};

struct recent_days {
	struct cell cells[CELLS];
};

struct recent_days *recent_days_new(void)
{
	return xcalloc_aligned(1, sizeof(struct recent_days));
}

void recent_days_free(struct recent_days *r)
{
	free(r);
}

static size_t cell_of(const struct uuid *campaign, int32_t day)
{
	return (uuid_hash(campaign) + (uint64_t)day) % CELLS;
}

void recent_days_put(struct recent_days *r, const struct recent_day *reading)
{
	struct cell *c = &r->cells[cell_of(&reading->campaign_id, reading->day)];
	const uint64_t turn = atomic_load_explicit(&c->turn, memory_order_relaxed);
	uint64_t words[WORDS] = {0};
	memcpy(words, reading, sizeof(*reading));
	atomic_store_explicit(&c->turn, turn + 1, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&c->words[i], words[i], memory_order_release);
	atomic_store_explicit(&c->turn, turn + 2, memory_order_release);
}

bool recent_days_get(const struct recent_days *r, const struct uuid *campaign, int32_t day,
		     uint64_t now_ns, struct recent_day *out)
{
	const struct cell *c = &r->cells[cell_of(campaign, day)];
	const uint64_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
	uint64_t words[WORDS];
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&c->words[i], memory_order_acquire);
	if (turn % 2 != 0 || atomic_load_explicit(&c->turn, memory_order_relaxed) != turn)
		return false; /* see cell_note */
	memcpy(out, words, sizeof(*out));
	return uuid_is_equal(&out->campaign_id, campaign) && out->day == day &&
	       now_ns - out->read_ns < RECENT_DAYS_NS;
}
