/*
 * The dated settings of attribution: what holds for a conversion is what was in force at its
 * conversion_date.
 *
 * Overview: lookback windows may be set for a campaign, for a type of conversion, for both, or for
 * neither; the most specific one in force holds: campaign and type, then campaign, then type, then
 * neither. A window without a length ends what was set before for the same campaign and type. What
 * the models need has no such keys. Usage: rules_add_window() and rules_add_models() in any order,
 * then rules_sort(), then ask. There must be a window and a row of models for all campaigns and
 * types from the beginning of time.
 * Threads: one that adds; any number that ask. Ownership: strings are copied.
 */
#ifndef DOMAIN_RULES_H
#define DOMAIN_RULES_H

#include "util/arena.h"
#include "util/uuid.h"

#define RULES_BEGINNING INT64_MIN     /* the date of what always held */
#define LOOKBACK_MIN_MS 60000ll	      /* a minute */
#define LOOKBACK_MAX_MS 31536000000ll /* 365 days */

struct text {
	const char *data;
	size_t len;
};

/** The same bytes? */
bool text_is_equal(struct text a, struct text b);

/** As memcmp; a beginning comes before the whole. */
int text_compare(struct text a, struct text b);

struct window_rule {
	struct uuid campaign_id; /* nil: every campaign */
	struct text type;	 /* "": every type */
	int64_t from_ms;
	int64_t lookback_ms; /* negative: from here on the less specific one holds */
};

struct model_rules {
	int64_t from_ms;
	int32_t first_ppm, last_ppm; /* position based: what first and last touch get */
	int64_t half_life_ms;	     /* time decay */
	uint32_t path_max;	     /* touches of a path; the latest ones */
	bool is_narrowed;    /* campaign and source of a conversion narrow every model's path */
	struct text *direct; /* sources that last non-direct passes over */
	uint32_t n_direct;
};

struct rules {
	struct arena arena;
	struct window_rule *windows; /* by campaign, type and date once sorted */
	struct model_rules *models;  /* by date once sorted */
	uint32_t n_windows, windows_cap;
	uint32_t n_models, models_cap;
	int64_t longest_ms; /* the longest window of all */
};

void rules_add_window(struct rules *r, const struct window_rule *w);
void rules_add_models(struct rules *r, const struct model_rules *m);
void rules_sort(struct rules *r);

/** Is there a window and a row of models for everything, from the beginning? Else nothing may be
 * asked. */
bool rules_are_complete(const struct rules *r);

/** How long before a conversion of @type at @at_ms a click of @campaign may be, in milliseconds. */
int64_t rules_lookback_ms(const struct rules *r, const struct uuid *campaign, struct text type,
			  int64_t at_ms);

/** What the models use for a conversion at @at_ms. */
const struct model_rules *rules_models(const struct rules *r, int64_t at_ms);

bool rules_is_direct(const struct model_rules *m, struct text source);

void rules_release(struct rules *r);

#endif
