/*
 * Explaining a conversion's credits.
 *
 * Pure functions, but for the memory of the explanation.
 */
#include "domain/explain.h"

#include <stdlib.h>
#include <string.h>

#include "util/fields.h"
#include "util/money.h"

#define FIRST_CAP 16

static const struct uuid nil;

static const char *const fate_words[] = {
	[TOUCH_IN] = NULL,
	[TOUCH_AFTER] = "after_conversion",
	[TOUCH_OUTSIDE_WINDOW] = "outside_window",
	[TOUCH_OTHER_CAMPAIGN] = "other_campaign",
	[TOUCH_OTHER_SOURCE] = "other_source",
	[TOUCH_BEYOND_PATH] = "beyond_path",
};

static const char *const named_words[] = {
	[NAMED_NONE] = NULL,
	[NAMED_FOUND] = NULL,
	[NAMED_UNKNOWN_CLICK] = "unknown_click",
	[NAMED_OTHER_USER] = "other_user",
	[NAMED_AFTER] = "after_conversion",
};

struct explanation *explanation_new(const struct uuid *id, uint32_t limit)
{
	struct explanation *e = xcalloc(1, sizeof(*e));
	e->id = *id;
	e->limit = limit;
	return e;
}

void explanation_restart(struct explanation *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		free(e->items[i].candidates);
	free(e->items);
	e->items = NULL;
	e->n = 0;
	e->found = 0;
	e->status = EXPLAIN_FAILED;
	arena_clear(&e->arena);
}

void explanation_free(struct explanation *e)
{
	if (e == NULL)
		return;
	explanation_restart(e);
	arena_release(&e->arena);
	free(e);
}

/* --- judging --- */

static bool is_same_click(const struct touch *a, const struct touch *b)
{
	return a->time_ms == b->time_ms && uuid_is_equal(&a->click_id, &b->click_id);
}

static struct text keep(struct arena *a, struct text t)
{
	return (struct text){arena_strndup(a, t.data, t.len), t.len};
}

static int compare_texts(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	const int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The rules may change while the explanation is still read. */
static void keep_models(struct explainer *x)
{
	const struct model_rules *m = rules_models(x->rules, x->c->wish.time_ms);
	struct model_rules *kept = &x->c->models;
	*kept = *m;
	kept->direct = arena_alloc(x->arena, (m->n_direct + 1) * sizeof(*m->direct));
	for (uint32_t i = 0; i < m->n_direct; i++)
		kept->direct[i] = keep(x->arena, m->direct[i]);
	if (m->n_direct > 0)
		qsort(kept->direct, m->n_direct, sizeof(*kept->direct), compare_texts);
}

void explain_begin(struct explainer *x, struct explained *c, const struct rules *rules,
		   uint32_t limit, struct arena *arena)
{
	memset(x, 0, sizeof(*x));
	x->c = c;
	x->rules = rules;
	x->arena = arena;
	x->limit = limit;
	x->oldest_ms = c->wish.time_ms;
	keep_models(x);
	c->window_ms =
		rules_lookback_ms(rules, &c->wish.campaign_id, c->wish.type, c->wish.time_ms);
	path_begin(&x->builder, &c->wish, rules, arena);
}

static int compare_clicks(const struct touch *a, const struct touch *b)
{
	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	return uuid_compare(&a->click_id, &b->click_id);
}

/* Add what is stored for one place of the path. */
static void take_credits(struct explainer *x, uint32_t place, struct candidate *k)
{
	const struct path *p = &x->c->stored;
	for (uint32_t m = 0; m < MODELS; m++)
		k->credits[m] += p->credits[m * p->n + place];
	k->is_credited = true;
	if (place < ARRAY_LEN(x->met))
		x->met[place] = true;
}

/* Take the credits of every place that a click has in the stored path: a named one may stand there
 * twice, as the first of all, too. */
static void find_credits(struct explainer *x, struct candidate *k)
{
	const struct path *p = &x->c->stored;
	uint32_t low = p->extras, high = p->n;
	for (uint32_t i = 0; i < p->extras; i++) {
		if (is_same_click(&p->touches[i], &k->touch))
			take_credits(x, i, k);
	}
	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		if (compare_clicks(&p->touches[mid], &k->touch) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < p->n && is_same_click(&p->touches[low], &k->touch))
		take_credits(x, low, k);
}

static struct candidate judge(struct explainer *x, const struct touch *t)
{
	const struct path_wish *w = &x->c->wish;
	struct candidate k = {.touch = *t, .fate = touch_judge(w, t, x->rules)};
	k.window_ms = rules_lookback_ms(x->rules, &t->campaign_id, w->type, w->time_ms);
	find_credits(x, &k);
	return k;
}

static void list(struct explainer *x, const struct candidate *k)
{
	struct explained *c = x->c;
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? FIRST_CAP : c->cap * 2;
		c->candidates = xrealloc(c->candidates, c->cap * sizeof(*c->candidates));
	}
	struct candidate *kept = &c->candidates[c->n++];
	*kept = *k;
	kept->touch.source = keep(x->arena, k->touch.source);
}

void explain_offer(struct explainer *x, const struct touch *t)
{
	struct candidate k = judge(x, t);
	if (k.fate == TOUCH_IN && ++x->touches > x->c->models.path_max)
		k.fate = TOUCH_BEYOND_PATH;
	path_offer(&x->builder, t);
	x->looked++;
	x->oldest_ms = t->time_ms;
	if (k.is_credited || x->uncredited++ < x->limit)
		list(x, &k);
}

void explain_offer_later(struct explainer *x, const struct touch *t)
{
	const struct candidate k = judge(x, t);
	list(x, &k);
}

bool explain_wants(const struct explainer *x)
{
	return x->looked < EXPLAIN_LOOKED_MAX &&
	       (x->oldest_ms >= x->c->wish.time_ms - x->rules->longest_ms ||
		x->uncredited < x->limit);
}

/* Touches of the stored path that were not among the clicks offered: a named one from before the
 * windows, say. */
static void list_unmet(struct explainer *x)
{
	const struct path *p = &x->c->stored;
	for (uint32_t i = 0; i < p->n && i < ARRAY_LEN(x->met); i++) {
		if (x->met[i])
			continue;
		struct candidate k = judge(x, &p->touches[i]);
		if (k.fate == TOUCH_IN && i < p->extras)
			k.fate = TOUCH_BEYOND_PATH;
		list(x, &k);
	}
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return compare_clicks(&y->touch, &x->touch);
}

static enum consistency compare(struct explainer *x)
{
	struct path now;
	path_end(&x->builder, &now);
	if (x->looked >= EXPLAIN_LOOKED_MAX)
		return CONSISTENT_UNKNOWN;
	return !x->c->is_torn && path_is_equal(&x->c->stored, &now) ? CONSISTENT_YES
								    : CONSISTENT_NO;
}

void explain_end(struct explainer *x, int64_t before, int64_t after)
{
	struct explained *c = x->c;
	c->consistent = compare(x);
	list_unmet(x);
	if (c->n > 0)
		qsort(c->candidates, c->n, sizeof(*c->candidates), compare_candidates);
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->candidates[i].touch.time_ms > c->wish.time_ms)
			after--;
		else
			before--;
	}
	c->more_before = before > 0 ? before : 0;
	c->more_after = after > 0 ? after : 0;
}

/* --- writing --- */

/* Why last click cannot credit a click, whatever the others are; NULL: it can. */
static const char *last_click_reason(const struct explained *c, const struct candidate *k)
{
	if (c->wish.named != NULL)
		return is_same_click(c->wish.named, &k->touch) ? NULL : "other_click_named";
	if (k->fate != TOUCH_IN)
		return fate_words[k->fate];
	return fate_words[touch_judge_narrow(&c->wish, &k->touch)];
}

static void write_candidate(const struct explained *c, const struct candidate *k, struct buf *out)
{
	const char *reason = last_click_reason(c, k);
	field_next(out);
	buf_addc(out, '{');
	field_uuid(out, "click_id", &k->touch.click_id);
	field_time(out, "click_date", k->touch.time_ms);
	field_uuid(out, "campaign_id", &k->touch.campaign_id);
	field_text(out, "source", k->touch.source.data, k->touch.source.len);
	field_int(out, "window_ms", k->window_ms);
	field_bool(out, "in", k->fate == TOUCH_IN);
	field_string(out, "reason", fate_words[k->fate]);
	field_key(out, "last_click");
	buf_addc(out, '{');
	field_bool(out, "eligible", reason == NULL);
	field_string(out, "reason", reason);
	buf_addc(out, '}');
	field_key(out, "credits");
	buf_addc(out, '{');
	for (int m = 0; m < MODELS; m++)
		field_int(out, model_word((enum model)m), k->credits[m]);
	buf_adds(out, "}}");
}

static void write_settings(const struct explained *c, struct buf *out)
{
	const struct model_rules *m = &c->models;
	field_key(out, "settings");
	buf_addc(out, '{');
	field_int(out, "window_ms", c->window_ms);
	if (m->from_ms == RULES_BEGINNING)
		field_null(out, "models_since");
	else
		field_time(out, "models_since", m->from_ms);
	field_int(out, "path_max", m->path_max);
	field_bool(out, "narrow", m->is_narrowed);
	field_int(out, "first_ppm", m->first_ppm);
	field_int(out, "last_ppm", m->last_ppm);
	field_int(out, "half_life_ms", m->half_life_ms);
	field_key(out, "direct_sources");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < m->n_direct; i++) {
		field_next(out);
		buf_add_json(out, m->direct[i].data, m->direct[i].len);
	}
	buf_adds(out, "]}");
}

/* What each model credits to all touches together. */
static void write_models(const struct path *p, struct buf *out)
{
	field_key(out, "models");
	buf_addc(out, '{');
	for (uint32_t m = 0; m < MODELS; m++) {
		int64_t sum = 0;
		for (uint32_t i = 0; i < p->n; i++)
			sum += p->credits[m * p->n + i];
		field_key(out, model_word((enum model)m));
		buf_addc(out, '{');
		field_int(out, "credit", sum);
		field_bool(out, "unattributed", sum == 0);
		buf_addc(out, '}');
	}
	buf_addc(out, '}');
}

/* The click that the conversion names, and whether it is the last click that is stored. */
static void write_named(const struct explained *c, struct buf *out)
{
	if (c->named_fate == NAMED_NONE) {
		field_null(out, "click_id");
		field_null(out, "named_click");
		return;
	}
	const struct path *p = &c->stored;
	field_uuid(out, "click_id", &c->named_click_id);
	field_key(out, "named_click");
	buf_addc(out, '{');
	field_bool(out, "wins",
		   p->last >= 0 &&
			   uuid_is_equal(&p->touches[p->last].click_id, &c->named_click_id));
	field_string(out, "reason", named_words[c->named_fate]);
	buf_addc(out, '}');
}

static void write_conversion(const struct explanation *e, const struct explained *c,
			     struct buf *out)
{
	char value[MONEY_TEXT_MAX];
	field_uuid(out, "conversion_id", &e->id);
	field_time(out, "conversion_date", c->wish.time_ms);
	field_uuid(out, "user_id", &c->user_id);
	if (uuid_is_equal(&c->wish.campaign_id, &nil))
		field_null(out, "campaign_id");
	else
		field_uuid(out, "campaign_id", &c->wish.campaign_id);
	if (c->wish.source.len == 0)
		field_null(out, "source");
	else
		field_text(out, "source", c->wish.source.data, c->wish.source.len);
	field_text(out, "type", c->wish.type.data, c->wish.type.len);
	field_text(out, "value", value, money_format(c->value_minor, value));
	if (c->worth.is_adjusted)
		field_text(out, "adjusted_value", value, money_format(c->worth.value_minor, value));
	else
		field_null(out, "adjusted_value");
	field_bool(out, "cancelled", c->worth.is_cancelled);
	write_named(c, out);
}

static void write_explained(const struct explanation *e, const struct explained *c, struct buf *out)
{
	field_next(out);
	buf_addc(out, '{');
	write_conversion(e, c, out);
	if (c->consistent == CONSISTENT_UNKNOWN)
		field_null(out, "consistent");
	else
		field_bool(out, "consistent", c->consistent == CONSISTENT_YES);
	write_settings(c, out);
	write_models(&c->stored, out);
	field_key(out, "candidates");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < c->n; i++)
		write_candidate(c, &c->candidates[i], out);
	buf_addc(out, ']');
	field_int(out, "more_before", c->more_before);
	field_int(out, "more_after", c->more_after);
	buf_addc(out, '}');
}

void explain_write(const struct explanation *e, struct buf *out)
{
	buf_addc(out, '{');
	field_uuid(out, "conversion_id", &e->id);
	field_key(out, "data");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < e->n; i++)
		write_explained(e, &e->items[i], out);
	buf_addc(out, ']');
	field_int(out, "more", e->found - e->n);
	buf_addc(out, '}');
}
