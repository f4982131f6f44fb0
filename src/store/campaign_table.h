/*
 * The table of campaigns: reading all of it, following its changes, creating and changing one.
 *
 * Overview: each function is one statement, but for changes of windows. Following: take a snapshot,
 * load everything, and ask from then on what was not visible in the snapshot before; each answer
 * comes with the next snapshot. That misses nothing, in whatever order concurrent transactions
 * commit (see the migration 003). Threads: the one that owns the connection. Ownership: campaigns
 * are the caller's.
 */
#ifndef STORE_CAMPAIGN_TABLE_H
#define STORE_CAMPAIGN_TABLE_H

#include "domain/campaign.h"
#include "domain/msg.h"
#include "store/pg.h"

struct campaign_list {
	struct campaign **rows;
	size_t n, cap;
};

/** Free the campaigns, too. */
void campaign_list_release(struct campaign_list *list);

/** Read what is visible now to *@snapshot, the caller's to free. */
enum err campaigns_snapshot(struct pg *pg, char **snapshot) MUST_CHECK;

/** Append what became visible since *@snapshot, which is replaced by the present one. */
enum err campaigns_changed(struct pg *pg, char **snapshot, struct campaign_list *out) MUST_CHECK;

/** Append at most @limit campaigns with ids behind @after, by id. */
enum err campaigns_page(struct pg *pg, const struct uuid *after, int limit,
			struct campaign_list *out) MUST_CHECK;

/**
 * Do what @m, a MSG_CAMPAIGN, asks for, and fill in its answer but for the case of an error: then
 * the outcome is unknown.
 */
enum err campaign_do(struct pg *pg, const struct config *cfg, struct msg_campaign *m) MUST_CHECK;

#endif
