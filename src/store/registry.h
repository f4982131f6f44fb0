/*
 * The registry of campaigns: all of them in memory, read without a lock.
 *
 * Overview: campaigns are immutable and replaced whole. What readers see is one view: the campaigns
 * sorted by id, to find one, and newest first, to list them. A change copies the view's two arrays
 * (1.6 MB for 100,000 campaigns) and swaps it by RCU; the old one is freed after a grace period,
 * with the campaigns that are in it alone. So changes are applied many at a time. The registrar
 * actor is the only writer, and keeps the registry less than a second behind PostgreSQL while that
 * can be reached. Threads: those that read, and the writer, are registered by history_thread_start
 * (history_cache.h). Ownership: readers are shown a campaign inside a callback, and hold nothing
 * afterwards.
 */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include "domain/campaign.h"

struct registry;

struct registry *registry_new(void) MUST_CHECK;

/** @thread main, after every reader and the writer have ended */
void registry_free(struct registry *registry);

/** Called inside a read-side section: must not block, nor use the registry. */
typedef void campaign_fn(void *context, const struct campaign *c);

/** Show the campaign of this id to @fn; false: the registry does not know it. @thread any
 * registered reader */
bool registry_find(struct registry *registry, const struct uuid *id, campaign_fn *fn,
		   void *context) MUST_CHECK;

/* Where a page begins: behind the campaign of this time and id, whether it still exists or not. */
struct registry_place {
	int64_t created_us;
	struct uuid id;
};

struct registry_filter {
	const char *search; /* NULL: any; folded: what the name contains, or the id begins with */
	const char *tag;    /* NULL: any */
	bool has_status;
	enum campaign_status status;
	bool has_behind; /* false: from the newest on */
	struct registry_place behind;
	uint32_t limit;
};

/**
 * Show the campaigns that pass the filter to @fn, newest first, at most @filter->limit. *@more:
 * there are others behind them. False: the registry was never loaded.
 * @thread any registered reader
 */
bool registry_list(struct registry *registry, const struct registry_filter *filter, campaign_fn *fn,
		   void *context, bool *more) MUST_CHECK;

/* What follows is the writer's. */

/**
 * Take @n campaigns in, in place of those with their ids. @whole: they are all there are, and from
 * now on the registry counts as loaded; before that it must not be changed otherwise. Of two with
 * one id the later one counts. The campaigns are the registry's afterwards; the array stays the
 * caller's, in another order.
 */
void registry_apply(struct registry *registry, struct campaign **campaigns, size_t n, bool whole);

bool registry_is_loaded(const struct registry *registry);

/** The revision of a campaign, 0 if it is not known. */
int64_t registry_revision(struct registry *registry, const struct uuid *id);

/** For the gauge. */
int64_t registry_campaigns(const struct registry *registry);

#endif
