/*
 * What a booking transaction changes in the sums: conversion buckets and the shard's days.
 *
 * Overview: cells of conversions (domain/cells.h) and stored clicks by day come in; a few
 * statements take them as arrays. Usage: changes_clear(); changes_add_clicks() and
 * changes_add_cells(); changes_book() and pg_run_steps(); changes_settle(). Threads: the one that
 * owns the connection. Ownership: everything belongs to the struct.
 */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "domain/cells.h"
#include "domain/msg.h"
#include "store/row_types.h"
#include "store/statement.h"
#include "util/buf.h"

struct changes {
	struct share *days; /* until changes_settle what is added, with credit for conversions */
	uint32_t n_days, cap;
	uint32_t share_type;
	struct buf deltas, shares; /* arrays of ROW_DELTA and ROW_SHARE */
	uint32_t n_deltas;
	bool takes_away; /* from some cell */
};

/** Forget all; @types are of the connection that will book. */
void changes_clear(struct changes *c, const struct row_types *types);

void changes_add_clicks(struct changes *c, struct uuid campaign_id, int32_t day, int64_t clicks);
void changes_add_cells(struct changes *c, const struct cells *cells);

/** Add the statements that book them for @shard, whose version becomes @version. */
void changes_book(struct changes *c, int32_t shard, int64_t version, struct pg_steps *steps);

/** When these have run: drop what holds nothing any more, and make the days' shares absolute. */
enum err changes_settle(struct changes *c, struct pg *pg, int32_t shard,
			const struct pg_steps *steps) MUST_CHECK;

void changes_release(struct changes *c);

#endif
