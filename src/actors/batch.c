/*
 * A partition's batch.
 *
 * Runs on a writer thread.
 */
#include "actors/batch.h"

#include <stdlib.h>
#include <string.h>

#include "domain/decode.h"

/* So many refused rows wait for being booked together, so that little is searched again after a
 * crash. */
#define REFUSED_MAX 256

struct batch *batch_new(void)
{
	return xcalloc(1, sizeof(struct batch));
}

void batch_clear(struct batch *b, int32_t partition, int64_t epoch)
{
	for (size_t i = 0; i < b->msgs_n; i++)
		msg_free(b->msgs[i]);
	b->msgs_n = 0;
	b->n = b->refused = 0;
	b->proven = false;
	b->search = (struct bisect){0};
	arena_clear(&b->arena);
	b->booking.partition = partition;
	b->booking.epoch = epoch;
	b->booking.rows = b->rows;
	b->booking.n = 0;
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	batch_clear(b, -1, -1);
	ledger_batch_release(&b->booking);
	arena_release(&b->arena);
	free(b->rows);
	free(b->msgs);
	free(b);
}

void batch_add(struct batch *b, struct msg *m, int32_t partitions)
{
	if (b->n + m->records.n > b->cap) {
		b->cap = (b->n + m->records.n) * 2;
		b->rows = xrealloc(b->rows, b->cap * sizeof(*b->rows));
	}
	for (uint32_t i = 0; i < m->records.n; i++) {
		struct ledger_row *row = &b->rows[b->n++];
		*row = (struct ledger_row){.record = m->records.records[i]};
		row->dead = record_decode(&row->record, m->records.partition, partitions, &b->arena,
					  &row->event, &row->dead_detail);
	}
	if (b->msgs_n == b->msgs_cap) {
		b->msgs_cap = b->msgs_cap == 0 ? 64 : b->msgs_cap * 2;
		b->msgs = xrealloc(b->msgs, b->msgs_cap * sizeof(struct msg *));
	}
	b->msgs[b->msgs_n++] = m;
	b->booking.rows = b->rows;
	b->booking.n = b->n;
}

bool batch_is_done(const struct batch *b)
{
	return b->booking.n == 0;
}

/* The first row with more than @live live rows up to it, which is where a try of so many ends. */
static uint32_t end_of(const struct ledger_batch *booking, uint32_t live)
{
	for (uint32_t i = 0; i < booking->n; i++) {
		if (booking->rows[i].dead == NULL && live-- == 0)
			return i;
	}
	return booking->n;
}

static uint32_t count_live(const struct ledger_batch *booking, uint32_t n)
{
	uint32_t live = 0;
	for (uint32_t i = 0; i < n; i++)
		live += booking->rows[i].dead == NULL;
	return live;
}

static bool is_refused(const struct ledger_row *row)
{
	return row->dead != NULL && strcmp(row->dead, DEAD_REFUSED) == 0;
}

bool batch_row_is_refused(const struct ledger_row *row)
{
	return is_refused(row) && !row->stale;
}

void batch_aim(struct batch *b)
{
	const bool alone = b->refused >= (b->proven ? REFUSED_MAX : 1);
	b->booking.upto = end_of(&b->booking, alone ? 0 : bisect_limit(&b->search));
}

uint32_t batch_booked(struct batch *b)
{
	const uint32_t taken = b->booking.taken;
	uint32_t dead = 0;
	bisect_passed(&b->search, count_live(&b->booking, taken));
	for (uint32_t i = 0; i < taken; i++) {
		const struct ledger_row *row = &b->booking.rows[i];
		b->refused -= is_refused(row);
		dead += batch_row_is_refused(row);
	}
	b->proven = b->proven || dead > 0;
	b->booking.rows += taken;
	b->booking.n -= taken;
	return dead;
}

/* Nothing live was tried, so that the findings may be wrong: the search begins anew. */
static void take_back(struct batch *b)
{
	for (uint32_t i = 0; b->refused > 0; i++) {
		struct ledger_row *row = &b->booking.rows[i];
		if (is_refused(row)) {
			row->dead = NULL;
			b->refused--;
		}
	}
	b->search = (struct bisect){0};
}

bool batch_refused(struct batch *b)
{
	struct ledger_batch *booking = &b->booking;
	const uint32_t live = count_live(booking, booking->taken);
	if (live == 0) {
		take_back(b);
		return false;
	}
	if (bisect_refused(&b->search, live)) {
		struct ledger_row *row = &booking->rows[end_of(booking, 0)];
		row->dead = DEAD_REFUSED;
		row->dead_detail =
			arena_strndup(&b->arena, booking->refusal, strlen(booking->refusal));
		b->refused++;
	}
	return true;
}
