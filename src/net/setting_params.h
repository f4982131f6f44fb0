/*
 * Which dated settings a client means: the parameters of GET and DELETE.
 *
 * Overview: unknown and doubled parameters are errors. An empty type, and the nil UUID, stand for
 * settings of every type and campaign. A cursor is the campaign, the date in milliseconds and the
 * type of the last row of a page. Threads: any. Pure functions. Ownership: the texts belong to the
 * struct; setting_params_release frees them.
 */
#ifndef NET_SETTING_PARAMS_H
#define NET_SETTING_PARAMS_H

#include "domain/settings.h"
#include "util/buf.h"

#define WINDOWS_LIMIT_DEFAULT 1000
#define WINDOWS_LIMIT_MAX 10000

/* What may be given; bits. */
enum { PARAM_CAMPAIGN = 1, PARAM_TYPE = 2, PARAM_FROM = 4, PARAM_LIMIT = 8, PARAM_CURSOR = 16 };

struct setting_params {
	unsigned given; /* bits */
	struct uuid campaign_id;
	struct buf type;
	int64_t from_ms;
	uint32_t limit;
	struct uuid behind_campaign; /* of the cursor */
	struct buf behind_type;
	int64_t behind_ms;
};

/** Read the parameters of @query (NULL: none), of which only the @allowed ones may stand there. On
 * false, @refusal says why. To be released, whatever the result. */
bool setting_params_read(const char *query, unsigned allowed, struct setting_params *out,
			 struct refusal *refusal) MUST_CHECK;

void setting_params_release(struct setting_params *params);

/** Append the cursor of a page that begins behind @w. */
void setting_cursor_write(const struct window_rule *w, struct buf *out);

#endif
