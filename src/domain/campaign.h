/*
 * What a campaign is, what a client may ask to be set of it, and how both are read and written.
 *
 * Overview: a campaign is one allocation and never changes once it is made; a change makes another.
 * Revisions of a campaign rise with each change. A wish is what a POST or PATCH asks for: what it
 * leaves out is NULL. Times are microseconds since 1970 UTC. Threads: any; pure functions.
 * Ownership: campaign_new's result is freed with free(); a wish borrows from whoever made it.
 */
#ifndef DOMAIN_CAMPAIGN_H
#define DOMAIN_CAMPAIGN_H

#include "domain/settings.h"
#include "util/buf.h"
#include "util/uuid.h"

#define CAMPAIGN_NAME_MAX 255 /* characters */
#define CAMPAIGN_URL_MAX 2048
#define CAMPAIGN_TAGS_MAX 32
#define CAMPAIGN_TAG_MAX 64 /* characters */

#define CAMPAIGN_STATUS_LIST(X)                                                                    \
	X(CAMPAIGN_ACTIVE, "active")                                                               \
	X(CAMPAIGN_PAUSED, "paused")                                                               \
	X(CAMPAIGN_ARCHIVED, "archived")

#define CAMPAIGN_STATUS_ENUM(status, word) status,
enum campaign_status { CAMPAIGN_STATUS_LIST(CAMPAIGN_STATUS_ENUM) CAMPAIGN_STATUSES };
#undef CAMPAIGN_STATUS_ENUM

struct campaign {
	struct uuid id;
	enum campaign_status status;
	int64_t revision;
	int64_t created_us, updated_us;
	const char *name;	/* inside the allocation, as all texts; NULL: it has none */
	const char *folded;	/* the name as campaign_fold makes it; "" without a name */
	const char *target_url; /* NULL: it has none */
	const char *const *tags;
	uint32_t n_tags;
	const struct window_rule *windows; /* its own, by type and date */
	uint32_t n_windows;
};

/** A copy of all that is given, but `folded`, which is made. @thread any */
struct campaign *campaign_new(const struct campaign *from) MUST_CHECK;

const char *campaign_status_word(enum campaign_status status);
bool campaign_status_parse(const char *word, enum campaign_status *out) MUST_CHECK;

/** Has @c this tag? */
bool campaign_has_tag(const struct campaign *c, const char *tag);

/** Append @text in lower case, for searching: every letter that has one other case, in UTF-8. */
void campaign_fold(const char *text, size_t len, struct buf *out);

/** Append @c as a JSON object, with the windows that are in force at @now_ms or later. */
void campaign_write(const struct campaign *c, int64_t now_ms, struct buf *out);

struct campaign_wish {
	struct uuid id;	  /* nil: none was given */
	const char *name; /* borrowed from the JSON tree, as target_url */
	const char *status;
	const char *target_url; /* "": none */
	const cJSON *tags;	/* an array of good tags; NULL: left out */
	bool no_tags;		/* null was given */
	const cJSON *windows;	/* good ones (domain/settings.h); NULL: left out */
};

/**
 * Read what a POST (@creates: the name is required, an id may be given) or a PATCH asks for. On
 * false, @refusal says why.
 */
bool campaign_wish_read(const cJSON *object, bool creates, struct campaign_wish *out,
			struct refusal *refusal) MUST_CHECK;

/** Append the wish's tags as a JSON array. */
void campaign_wish_write_tags(const struct campaign_wish *wish, struct buf *out);

#endif
