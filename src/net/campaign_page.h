/*
 * What a client asks of the list of campaigns: which ones, how many, from where on.
 *
 * Overview: unknown and doubled parameters are errors. A cursor names the last campaign of a page
 * by its place in the order, so that a page begins right also when that campaign is gone. Threads:
 * any. Pure functions. Ownership: a wish holds the texts that its filter points to;
 * page_wish_release frees them.
 */
#ifndef NET_CAMPAIGN_PAGE_H
#define NET_CAMPAIGN_PAGE_H

#include "net/wish.h"
#include "store/registry.h"
#include "util/buf.h"

#define PAGE_LIMIT_DEFAULT 100
#define PAGE_LIMIT_MAX 1000
#define PAGE_CURSOR_MAX 64

struct page_wish {
	struct registry_filter filter;
	struct buf search, tag;
};

/** Read the parameters of @query (NULL: none). To be released, whatever the result. */
bool page_wish_read(const char *query, struct page_wish *out, struct wish_error *error) MUST_CHECK;

void page_wish_release(struct page_wish *wish);

/** Write the cursor of a page that begins behind @place, and a NUL. */
void page_cursor_format(const struct registry_place *place, char out[PAGE_CURSOR_MAX]);

#endif
