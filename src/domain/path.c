/*
 * Building touch paths.
 *
 * Pure functions.
 */
#include "domain/path.h"

#include <string.h>

#include "domain/credit.h"

static const struct uuid nil;

enum touch_fate touch_judge_narrow(const struct path_wish *w, const struct touch *t)
{
	if (!uuid_is_equal(&w->campaign_id, &nil) &&
	    !uuid_is_equal(&w->campaign_id, &t->campaign_id))
		return TOUCH_OTHER_CAMPAIGN;
	if (w->source.len > 0 && !text_is_equal(w->source, t->source))
		return TOUCH_OTHER_SOURCE;
	return TOUCH_IN;
}

enum touch_fate touch_judge(const struct path_wish *w, const struct touch *t, const struct rules *r)
{
	if (t->time_ms > w->time_ms)
		return TOUCH_AFTER;
	if (t->time_ms < w->time_ms - rules_lookback_ms(r, &t->campaign_id, w->type, w->time_ms))
		return TOUCH_OUTSIDE_WINDOW;
	return rules_models(r, w->time_ms)->is_narrowed ? touch_judge_narrow(w, t) : TOUCH_IN;
}

static bool is_same_click(const struct touch *a, const struct touch *b)
{
	return a->time_ms == b->time_ms && uuid_is_equal(&a->click_id, &b->click_id);
}

/* The place of the named click in the path; -1: it is not there. */
static int32_t find_named(const struct path *p, const struct touch *named)
{
	for (uint32_t i = p->extras; i < p->n; i++) {
		if (is_same_click(&p->touches[i], named))
			return (int32_t)i;
	}
	return -1;
}

static int32_t find_last(const struct path_wish *w, const struct path *p)
{
	if (w->named != NULL)
		return find_named(p, w->named) >= 0 ? find_named(p, w->named) : 0;
	for (uint32_t i = p->n; i > p->extras; i--) {
		if (touch_judge_narrow(w, &p->touches[i - 1]) == TOUCH_IN)
			return (int32_t)i - 1;
	}
	return -1;
}

/* A model that credits one touch alone. */
static void credit_one(struct path *p, enum model m, int32_t place)
{
	if (place >= 0)
		p->credits[m * p->n + (uint32_t)place] = CREDIT_WHOLE;
}

static int32_t find_last_non_direct(const struct path *p, const struct model_rules *rules)
{
	for (uint32_t i = p->n; i > p->extras; i--) {
		if (!rules_is_direct(rules, p->touches[i - 1].source))
			return (int32_t)i - 1;
	}
	return p->n > p->extras ? (int32_t)p->n - 1 : -1;
}

/* A model that shares by weights among the path. */
static void credit_shared(struct path *p, enum model m, const uint64_t *weights)
{
	int64_t shares[PATH_MAX_LIMIT];
	const uint32_t n = p->n - p->extras;
	int32_t *credits = &p->credits[m * p->n + p->extras];
	credit_share(CREDIT_WHOLE, weights, n, shares);
	for (uint32_t i = 0; i < n; i++)
		credits[i] = (int32_t)shares[i];
}

static void credit_all(struct path *p, const struct model_rules *rules)
{
	uint64_t weights[PATH_MAX_LIMIT];
	int64_t times_ms[PATH_MAX_LIMIT];
	const uint32_t n = p->n - p->extras;
	for (uint32_t i = 0; i < n; i++)
		times_ms[i] = p->touches[p->extras + i].time_ms;
	credit_linear(n, weights);
	credit_shared(p, MODEL_LINEAR, weights);
	credit_position_based(n, rules->first_ppm, rules->last_ppm, weights);
	credit_shared(p, MODEL_POSITION_BASED, weights);
	credit_time_decay(times_ms, n, rules->half_life_ms, weights);
	credit_shared(p, MODEL_TIME_DECAY, weights);
	credit_one(p, MODEL_LAST_NON_DIRECT, find_last_non_direct(p, rules));
	/* the first touch of all stands right before the path where that is bounded */
	credit_one(p, MODEL_FIRST_CLICK, (int32_t)(p->extras - (p->beyond > 0)));
}

void path_begin(struct path_builder *b, const struct path_wish *w, const struct rules *r,
		struct arena *arena)
{
	b->wish = w;
	b->rules = r;
	b->arena = arena;
	b->room = rules_models(r, w->time_ms)->path_max;
	ASSERT(b->room > 0 && b->room <= PATH_MAX_LIMIT);
	b->touches = NULL; /* made when there is a touch */
	b->kept = b->beyond = 0;
}

void path_offer(struct path_builder *b, const struct touch *t)
{
	if (touch_judge(b->wish, t, b->rules) != TOUCH_IN)
		return;
	if (b->kept < b->room) {
		if (b->touches == NULL)
			b->touches = arena_alloc(b->arena, b->room * sizeof(*b->touches));
		struct touch *kept = &b->touches[b->room - ++b->kept];
		*kept = *t;
		kept->source.data = arena_strndup(b->arena, t->source.data, t->source.len);
		return;
	}
	ASSERT(t->source.len <= sizeof(b->first_source));
	b->beyond++;
	b->first = *t;
	memcpy(b->first_source, t->source.data, t->source.len);
	b->first.source.data = b->first_source;
}

/* The touches in their order, see above. */
static void assemble(const struct path_builder *b, struct path *p)
{
	const struct touch *path = b->touches + (b->kept > 0 ? b->room - b->kept : 0);
	const struct touch *named = b->wish->named;
	p->touches = arena_alloc(b->arena, (b->kept + 2) * sizeof(*p->touches));
	for (uint32_t i = 0; named != NULL && i < b->kept; i++) {
		if (is_same_click(&path[i], named))
			named = NULL;
	}
	if (named != NULL)
		p->touches[p->extras++] = *named;
	if (b->beyond > 0)
		p->touches[p->extras++] = b->first;
	for (uint32_t i = 0; i < p->extras; i++) {
		struct text *source = &p->touches[i].source;
		source->data = arena_strndup(b->arena, source->data, source->len);
	}
	for (uint32_t i = 0; i < b->kept; i++)
		p->touches[p->extras + i] = path[i];
	p->n = p->extras + b->kept;
	p->beyond = b->beyond;
}

void path_end(struct path_builder *b, struct path *out)
{
	*out = (struct path){0};
	assemble(b, out);
	const size_t size = (size_t)MODELS * out->n * sizeof(*out->credits);
	out->credits = arena_alloc(b->arena, size + 1);
	memset(out->credits, 0, size);
	out->last = find_last(b->wish, out);
	credit_one(out, MODEL_LAST_CLICK, out->last);
	if (b->kept > 0)
		credit_all(out, rules_models(b->rules, b->wish->time_ms));
}

bool path_is_equal(const struct path *a, const struct path *b)
{
	if (a->n != b->n || a->extras != b->extras || a->beyond != b->beyond || a->last != b->last)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (!is_same_click(&a->touches[i], &b->touches[i]))
			return false;
	}
	return a->n == 0 ||
	       memcmp(a->credits, b->credits, (size_t)MODELS * a->n * sizeof(*a->credits)) == 0;
}
