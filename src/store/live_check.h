/*
 * The live counters in Redis beside PostgreSQL's day shares.
 *
 * Overview: the days are those that PostgreSQL has from yesterday on and those that Redis has.
 * A share is judged against a snapshot of PostgreSQL that Redis has reached and that is not older
 * than the share (see judge_note in live_judge.c); what moves is looked at again until it holds
 * still or time is up. A day that is not in Redis is fine: readers ask PostgreSQL. Ingestion goes
 * on meanwhile. Threads: one at a time. Ownership: the list of wrong days is the caller's to free.
 */
#ifndef STORE_LIVE_CHECK_H
#define STORE_LIVE_CHECK_H

#include "store/live_counters.h"
#include "store/pg.h"
#include "store/recount.h"

struct live_check;

/** @pg is borrowed, and not in a transaction whenever it is used here. */
struct live_check *live_check_new(const struct config *cfg, struct metrics *metrics, struct pg *pg,
				  int32_t partitions, const struct uuid *deployment) MUST_CHECK;
void live_check_free(struct live_check *c);

/**
 * Compare the live days in [@first, @last] (days since 1970). @wrong: the days that differ.
 * ERR_DOWN, ERR_FAILED: Redis or PostgreSQL could not be read.
 */
enum err live_check_compare(struct live_check *c, int32_t first, int32_t last, int shown,
			    struct finding *out, struct campaign_day **wrong,
			    uint32_t *n_wrong) MUST_CHECK;

/**
 * Delete all keys of some days, each day in one step: readers then ask PostgreSQL, and a server
 * writes the days anew.
 */
enum err live_check_delete(struct live_check *c, const struct campaign_day *days,
			   uint32_t n) MUST_CHECK;

#endif
