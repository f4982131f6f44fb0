/*
 * The dated settings of attribution as clients set and see them.
 *
 * Overview: a wish is what a POST asks for; what it leaves out is marked. A setting's date is the
 * conversion_date from which it holds: it is in force for conversions that happen now, it was
 * replaced in the past, or it is coming. Over HTTP lengths are minutes and shares per cent.
 * Threads: any; pure functions. Ownership: a wish borrows from the JSON tree.
 */
#ifndef DOMAIN_SETTINGS_H
#define DOMAIN_SETTINGS_H

#include "domain/fields.h"
#include "domain/rules.h"
#include "util/buf.h"

#define SETTING_TYPE_MAX 255	       /* characters */
#define SETTING_SOURCES_MAX 100	       /* direct sources */
#define CAMPAIGN_WINDOWS_MAX 100       /* in one request */
#define SETTING_ALWAYS RULES_BEGINNING /* the date of what is not dated */

enum setting_state { SETTING_PAST, SETTING_IN_FORCE, SETTING_COMING };

struct window_wish {
	struct uuid campaign_id; /* nil: every campaign */
	const char *type;	 /* "": every type */
	int64_t lookback_ms;	 /* negative: from then on the less specific one holds */
	int64_t from_ms;	 /* SETTING_ALWAYS: left out */
};

struct models_wish {
	int64_t from_ms;	     /* SETTING_ALWAYS: left out */
	int32_t first_ppm, last_ppm; /* negative: left out */
	int64_t half_life_ms;	     /* 0: left out */
	uint32_t path_max;	     /* 0: left out */
	int narrow;		     /* 0 or 1; negative: left out */
	const cJSON *direct;	     /* an array of good sources; NULL: left out */
};

/** Read what a POST asks for. On false, @refusal says why. */
bool window_wish_read(const cJSON *object, struct window_wish *out,
		      struct refusal *refusal) MUST_CHECK;
bool models_wish_read(const cJSON *object, struct models_wish *out,
		      struct refusal *refusal) MUST_CHECK;

/** Is it a good list of a campaign's windows, each with a type (null: every type) and
 * lookback_minutes? On false, @refusal says why. */
bool campaign_windows_check(const cJSON *item, struct refusal *refusal) MUST_CHECK;

/** Append such a list as JSON for PostgreSQL: [["type", minutes], ...]. */
void campaign_windows_write(const cJSON *windows, struct buf *out);

/** Append a wish's direct sources as a JSON array. */
void models_wish_write_direct(const struct models_wish *wish, struct buf *out);

/** @next: the row behind it by campaign, type and date; NULL: none. */
enum setting_state window_state(const struct window_rule *w, const struct window_rule *next,
				int64_t now_ms);

/** @next_from_ms: the date of the next one; INT64_MAX: there is none. */
enum setting_state setting_state(int64_t from_ms, int64_t next_from_ms, int64_t now_ms);

/** Append @w as a JSON object; @with_campaign: with its campaign. */
void window_write(const struct window_rule *w, bool with_campaign, enum setting_state state,
		  struct buf *out);

/** Append @m as a JSON object. */
void models_write(const struct model_rules *m, enum setting_state state, struct buf *out);

#endif
