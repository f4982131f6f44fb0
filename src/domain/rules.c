/*
 * Dated settings.
 *
 * Pure functions, but for the memory of the rules.
 */
#include "domain/rules.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 8

bool text_is_equal(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int text_compare(struct text a, struct text b)
{
	const int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct text keep(struct arena *a, struct text t)
{
	return (struct text){arena_strndup(a, t.data, t.len), t.len};
}

void rules_add_window(struct rules *r, const struct window_rule *w)
{
	if (r->n_windows == r->windows_cap) {
		r->windows_cap = r->windows_cap == 0 ? FIRST_CAP : r->windows_cap * 2;
		r->windows = xrealloc(r->windows, r->windows_cap * sizeof(*r->windows));
	}
	r->windows[r->n_windows] = *w;
	r->windows[r->n_windows++].type = keep(&r->arena, w->type);
	if (w->lookback_ms > r->longest_ms)
		r->longest_ms = w->lookback_ms;
}

void rules_add_models(struct rules *r, const struct model_rules *m)
{
	if (r->n_models == r->models_cap) {
		r->models_cap = r->models_cap == 0 ? FIRST_CAP : r->models_cap * 2;
		r->models = xrealloc(r->models, r->models_cap * sizeof(*r->models));
	}
	struct model_rules *kept = &r->models[r->n_models++];
	*kept = *m;
	kept->direct = arena_alloc(&r->arena, (m->n_direct + 1) * sizeof(*m->direct));
	for (uint32_t i = 0; i < m->n_direct; i++)
		kept->direct[i] = keep(&r->arena, m->direct[i]);
}

/* Whose windows these are, and for what. */
static int compare_keys(const struct window_rule *a, const struct window_rule *b)
{
	const int campaign = memcmp(&a->campaign_id, &b->campaign_id, sizeof(a->campaign_id));
	if (campaign != 0)
		return campaign;
	if (a->type.len != b->type.len)
		return a->type.len < b->type.len ? -1 : 1;
	return a->type.len == 0 ? 0 : memcmp(a->type.data, b->type.data, a->type.len);
}

static int compare_windows(const void *x, const void *y)
{
	const struct window_rule *a = x, *b = y;
	const int keys = compare_keys(a, b);
	return keys != 0 ? keys : (a->from_ms > b->from_ms) - (a->from_ms < b->from_ms);
}

static int compare_models(const void *x, const void *y)
{
	const struct model_rules *a = x, *b = y;
	return (a->from_ms > b->from_ms) - (a->from_ms < b->from_ms);
}

void rules_sort(struct rules *r)
{
	if (r->n_windows > 0)
		qsort(r->windows, r->n_windows, sizeof(*r->windows), compare_windows);
	if (r->n_models > 0)
		qsort(r->models, r->n_models, sizeof(*r->models), compare_models);
}

bool rules_are_complete(const struct rules *r)
{
	static const struct window_rule first = {.type = {"", 0}, .from_ms = RULES_BEGINNING};
	bool window = false;
	for (uint32_t i = 0; i < r->n_windows; i++) {
		const struct window_rule *w = &r->windows[i];
		window = window || (compare_windows(w, &first) == 0 && w->lookback_ms >= 0);
	}
	return window && r->n_models > 0 && r->models[0].from_ms == RULES_BEGINNING;
}

/* The length in force for exactly this campaign and type; negative: none. */
static int64_t find_window(const struct rules *r, const struct uuid *campaign, struct text type,
			   int64_t at_ms)
{
	const struct window_rule wanted = {*campaign, type, at_ms, 0};
	uint32_t low = 0, high = r->n_windows; /* the first that comes after @wanted */
	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		if (compare_windows(&r->windows[mid], &wanted) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || compare_keys(&r->windows[low - 1], &wanted) != 0)
		return -1;
	return r->windows[low - 1].lookback_ms;
}

int64_t rules_lookback_ms(const struct rules *r, const struct uuid *campaign, struct text type,
			  int64_t at_ms)
{
	static const struct uuid any_campaign;
	static const struct text any_type = {"", 0};
	int64_t ms = -1;
	if (r->n_windows > 1)
		ms = find_window(r, campaign, type, at_ms);
	if (ms < 0 && r->n_windows > 1)
		ms = find_window(r, campaign, any_type, at_ms);
	if (ms < 0 && r->n_windows > 1)
		ms = find_window(r, &any_campaign, type, at_ms);
	if (ms < 0)
		ms = find_window(r, &any_campaign, any_type, at_ms);
	ASSERT(ms >= 0);
	return ms;
}

const struct model_rules *rules_models(const struct rules *r, int64_t at_ms)
{
	uint32_t n = r->n_models;
	while (n > 0 && r->models[n - 1].from_ms > at_ms)
		n--;
	ASSERT(n > 0);
	return &r->models[n - 1];
}

bool rules_is_direct(const struct model_rules *m, struct text source)
{
	for (uint32_t i = 0; i < m->n_direct; i++) {
		if (text_is_equal(m->direct[i], source))
			return true;
	}
	return false;
}

void rules_release(struct rules *r)
{
	arena_release(&r->arena);
	free(r->windows);
	free(r->models);
	*r = (struct rules){0};
}
