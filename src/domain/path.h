/*
 * A conversion's touch path, and what each model credits to its touches.
 *
 * Overview: of the clicks of the conversion's user, those are its touches that are not after it and
 * lie in the window of their own campaign and the conversion's type. The latest path_max of them
 * are the path; older ones are counted (`beyond`), and only the first of all, which is kept before
 * the path then, may be credited, by first click alone. Last click is narrowed by the campaign and
 * source that the conversion gives, if it gives them; a click that it names wins last click
 * wherever it lies before the conversion, and is kept before the path if it is not in it.
 *
 *      touches: [named click]  [first touch]  path, by (time, id)
 *               `extras` of them              models but last and first click see only these
 *
 * Threads: any. Pure functions. Ownership: everything made comes from the caller's arena.
 */
#ifndef DOMAIN_PATH_H
#define DOMAIN_PATH_H

#include "domain/event.h"
#include "domain/model.h"
#include "domain/rules.h"

#define PATH_MAX_LIMIT 1000 /* the most that path_max may be */

struct touch {
	struct uuid click_id;
	int64_t time_ms;
	struct uuid campaign_id;
	struct text source;
};

/* What attribution asks of a conversion. */
struct path_wish {
	int64_t time_ms;
	struct uuid campaign_id; /* nil: left out */
	struct text source;	 /* "": left out */
	struct text type;
	const struct touch *named; /* the click it names, if that is its user's and not after it */
};

struct path {
	struct touch *touches;
	uint32_t n;	  /* all of them, extras included */
	uint32_t extras;  /* 0 to 2, see above */
	uint32_t beyond;  /* touches before the path */
	int32_t last;	  /* the last click's place in touches; -1: none */
	int32_t *credits; /* [model * n + place]; a model's add up to CREDIT_WHOLE or to 0 */
};

enum touch_fate {
	TOUCH_IN,
	TOUCH_AFTER, /* after the conversion */
	TOUCH_OUTSIDE_WINDOW,
	TOUCH_OTHER_CAMPAIGN, /* where the settings narrow every path */
	TOUCH_OTHER_SOURCE,
	TOUCH_BEYOND_PATH, /* in, but older than the latest path_max */
};

/** Whether one click is a touch, but for the path's bound. */
enum touch_fate touch_judge(const struct path_wish *w, const struct touch *t,
			    const struct rules *r);

/** May last click credit this touch, as far as campaign and source go? TOUCH_IN, TOUCH_OTHER_*. */
enum touch_fate touch_judge_narrow(const struct path_wish *w, const struct touch *t);

/* A path being built. */
struct path_builder {
	const struct path_wish *wish; /* borrowed, as is what follows */
	const struct rules *rules;
	struct arena *arena;
	struct touch *touches; /* the path, from the end of its room */
	uint32_t room;
	uint32_t kept, beyond;
	struct touch first; /* the earliest offered that is in, where some are beyond */
	char first_source[EVENT_TEXT_BYTES_MAX];
};

/** Begin a path; what is borrowed must live until path_end. */
void path_begin(struct path_builder *b, const struct path_wish *w, const struct rules *r,
		struct arena *arena);

/**
 * Offer one click of the conversion's user: the latest first, by (time, id), down to the longest
 * window before the conversion at least. Copied, if it is kept.
 */
void path_offer(struct path_builder *b, const struct touch *t);

/** Make the path of what was offered, and its credits. */
void path_end(struct path_builder *b, struct path *out);

/** The same touches and credits? */
bool path_is_equal(const struct path *a, const struct path *b);

#endif
