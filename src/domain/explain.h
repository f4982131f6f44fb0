/*
 * Why a conversion's credits are what they are: the clicks that came into question, what became of
 * each, and what each model credits to it.
 *
 * Overview: the conversion and its credits are those that are stored. Its user's clicks are judged
 * anew by the functions that make paths (domain/path.h) and the settings in force for it, and the
 * path that they make is compared with the stored one: `consistent`. A user may have any number of
 * clicks; those that are credited are always listed, of the others so many as were asked for.
 * Usage: an explainer for each conversion: explain_begin(), explain_offer() the user's clicks that
 * are not after it, the latest first, as long as explain_wants(), explain_offer_later() the ones
 * after it, explain_end(). Then explain_write().
 * Threads: an explanation has one owner at a time. Ownership: everything in it is its own.
 */
#ifndef DOMAIN_EXPLAIN_H
#define DOMAIN_EXPLAIN_H

#include "domain/cells.h"
#include "domain/path.h"
#include "util/buf.h"

#define EXPLAIN_CONVERSIONS_MAX 10 /* of one id, at different times: the latest */
#define EXPLAIN_LATER_MAX 10	   /* clicks after the conversion that are listed */
#define EXPLAIN_LIMIT_DEFAULT 100
#define EXPLAIN_LIMIT_MAX 1000
#define EXPLAIN_LOOKED_MAX 200000 /* clicks that are looked at; beyond, nothing is compared */

struct candidate {
	struct touch touch;
	enum touch_fate fate;
	int64_t window_ms;	 /* of its campaign and the conversion's type */
	bool is_credited;	 /* it stands in the stored path */
	int32_t credits[MODELS]; /* there */
};

/* What became of the click that a conversion names. */
enum named_fate {
	NAMED_NONE, /* it names none */
	NAMED_FOUND,
	NAMED_UNKNOWN_CLICK,
	NAMED_OTHER_USER,
	NAMED_AFTER,
};

enum consistency { CONSISTENT_UNKNOWN, CONSISTENT_NO, CONSISTENT_YES };

/* A conversion that is explained. */
struct explained {
	/* what is stored of it */
	struct path_wish wish;
	struct uuid user_id;
	struct uuid named_click_id;
	enum named_fate named_fate;
	struct touch named;  /* where wish.named points if it is found */
	int64_t value_minor; /* as it was given */
	struct worth worth;  /* by its adjustments */
	struct path stored;
	bool is_torn; /* the last click stored beside the path is not the path's */

	/* what was found out */
	struct model_rules models; /* in force */
	int64_t window_ms;	   /* of its own campaign, or of any if it left that out */
	enum consistency consistent;
	struct candidate *candidates; /* the latest first */
	uint32_t n, cap;
	int64_t more_before, more_after; /* clicks of its user that are not listed */
};

enum explain_status { EXPLAIN_FAILED, EXPLAIN_OK, EXPLAIN_UNKNOWN };

struct explanation {
	struct uuid id;
	uint32_t limit; /* clicks without credit that are listed of each conversion */
	enum explain_status status;
	struct explained *items; /* the latest first */
	uint32_t n;
	int64_t found; /* conversions of this id */
	struct arena arena;
};

struct explanation *explanation_new(const struct uuid *id, uint32_t limit) MUST_CHECK;

/** NULL is fine. */
void explanation_free(struct explanation *e);

/** Forget what an attempt to answer has left, but not the question. */
void explanation_restart(struct explanation *e);

/** Append the answer as a JSON object. */
void explain_write(const struct explanation *e, struct buf *out);

/* One conversion being explained. */
struct explainer {
	struct explained *c;
	const struct rules *rules; /* borrowed, as is the arena */
	struct arena *arena;
	struct path_builder builder;
	uint32_t limit;
	uint32_t touches;    /* offered clicks that are touches */
	uint32_t uncredited; /* listed ones that are not in the stored path */
	uint32_t looked;
	int64_t oldest_ms;	      /* of what was offered */
	bool met[PATH_MAX_LIMIT + 2]; /* places of the stored path that were offered */
};

/** Begin with a conversion of which all that is stored is filled in. */
void explain_begin(struct explainer *x, struct explained *c, const struct rules *rules,
		   uint32_t limit, struct arena *arena);

/** The next click of the user that is not after the conversion, the latest first by (time, id). */
void explain_offer(struct explainer *x, const struct touch *t);

/** A click after the conversion. */
void explain_offer_later(struct explainer *x, const struct touch *t);

/** Are there clicks to be offered that are older than the last one, if there are any? */
bool explain_wants(const struct explainer *x) MUST_CHECK;

/** Settle it. @before, @after: how many clicks the user has not after, and after the conversion. */
void explain_end(struct explainer *x, int64_t before, int64_t after);

#endif
