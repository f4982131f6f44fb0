/*
 * Adding up what events change.
 *
 * Pure functions, but for the memory of the table.
 */
#include "domain/cells.h"

#include <stdlib.h>
#include <string.h>

#include "domain/credit.h"

#define FIRST_CAPACITY 64

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull; /* FNV-1a */
	return h;
}

static uint64_t hash(const struct cell *c)
{
	uint64_t h = 0xcbf29ce484222325ull;
	h = mix(h, &c->campaign_id, sizeof(c->campaign_id));
	h = mix(h, c->source.data, c->source.len);
	h = mix(h, c->type.data, c->type.len);
	h = mix(h, &c->model, sizeof(c->model));
	h = mix(h, &c->bucket_ms, sizeof(c->bucket_ms));
	return h ^ h >> 32;
}

static bool is_same(const struct cell *a, const struct cell *b)
{
	return a->model == b->model && a->bucket_ms == b->bucket_ms &&
	       uuid_is_equal(&a->campaign_id, &b->campaign_id) &&
	       text_is_equal(a->source, b->source) && text_is_equal(a->type, b->type);
}

static struct cell *find(const struct cells *c, const struct cell *key)
{
	uint32_t i = (uint32_t)hash(key) & (c->capacity - 1);
	while (c->slots[i].type.data != NULL && !is_same(&c->slots[i], key))
		i = (i + 1) & (c->capacity - 1);
	return &c->slots[i];
}

static void grow(struct cells *c)
{
	const struct cells old = *c;
	c->capacity = old.capacity == 0 ? FIRST_CAPACITY : old.capacity * 2;
	c->slots = xcalloc(c->capacity, sizeof(*c->slots));
	for (uint32_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].type.data != NULL)
			*find(c, &old.slots[i]) = old.slots[i];
	}
	free(old.slots);
}

/* The cell with the keys of @key, made if it is not there. */
static struct cell *cell_of(struct cells *c, const struct cell *key)
{
	if (c->n * 2 >= c->capacity)
		grow(c);
	struct cell *cell = find(c, key);
	if (cell->type.data == NULL) {
		*cell = *key;
		c->n++;
	}
	return cell;
}

static int64_t floor_to_bucket(int64_t ms)
{
	return ms - (ms % BUCKET_MS + BUCKET_MS) % BUCKET_MS;
}

static void book_model(struct cells *c, struct cell *key, const struct path_wish *w,
		       const struct path *p, int64_t value_minor, int sign)
{
	int64_t values[PATH_MAX_LIMIT + 2];
	const int32_t *credits = &p->credits[key->model * p->n];
	if (!cells_share(credits, p->n, value_minor, values)) {
		key->campaign_id = w->campaign_id;
		key->source = w->source;
		struct cell *cell = cell_of(c, key);
		cell->unattributed += sign;
		cell->unattributed_value_minor += sign * value_minor;
		return;
	}
	for (uint32_t i = 0; i < p->n; i++) {
		if (credits[i] == 0)
			continue;
		key->campaign_id = p->touches[i].campaign_id;
		key->source = p->touches[i].source;
		struct cell *cell = cell_of(c, key);
		cell->credit += sign * credits[i];
		cell->value_minor += sign * values[i];
	}
}

bool worth_is_equal(struct worth a, struct worth b)
{
	return a.value_minor == b.value_minor && a.is_adjusted == b.is_adjusted &&
	       a.is_cancelled == b.is_cancelled;
}

void cells_book(struct cells *c, const struct path_wish *w, const struct path *p,
		struct worth worth, int sign)
{
	struct cell key = {.type = w->type, .bucket_ms = floor_to_bucket(w->time_ms)};
	ASSERT(w->type.data != NULL);
	for (int m = 0; m < MODELS && !worth.is_cancelled; m++) {
		key.model = (enum model)m;
		book_model(c, &key, w, p, worth.value_minor, sign);
	}
}

void cells_add_click(struct cells *c, const struct uuid *campaign, struct text source,
		     int64_t time_ms)
{
	const struct cell key = {.campaign_id = *campaign,
				 .source = source,
				 .type = {"", 0},
				 .bucket_ms = floor_to_bucket(time_ms)};
	cell_of(c, &key)->clicks++;
}

bool cells_share(const int32_t *credits, uint32_t n, int64_t value_minor, int64_t *values)
{
	uint64_t weights[PATH_MAX_LIMIT + 2];
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += weights[i] = (uint64_t)credits[i];
	if (sum > 0)
		credit_share(value_minor, weights, n, values);
	return sum > 0;
}

const struct cell *cells_next(const struct cells *c, uint32_t *at)
{
	while (*at < c->capacity) {
		const struct cell *cell = &c->slots[(*at)++];
		if (cell->type.data != NULL &&
		    (cell->clicks != 0 || cell->credit != 0 || cell->unattributed != 0 ||
		     cell->value_minor != 0 || cell->unattributed_value_minor != 0))
			return cell;
	}
	return NULL;
}

static int by_key(const void *a, const void *b)
{
	const struct cell *x = *(const struct cell *const *)a, *y = *(const struct cell *const *)b;
	int order = uuid_compare(&x->campaign_id, &y->campaign_id);
	if (order == 0)
		order = (x->bucket_ms > y->bucket_ms) - (x->bucket_ms < y->bucket_ms);
	if (order == 0)
		order = text_compare(x->source, y->source);
	if (order == 0)
		order = text_compare(x->type, y->type);
	return order != 0 ? order : strcmp(model_word(x->model), model_word(y->model));
}

const struct cell **cells_sorted(const struct cells *c, uint32_t *n)
{
	const struct cell **sorted = xcalloc(c->n + 1, sizeof(const struct cell *));
	uint32_t at = 0;
	*n = 0;
	while ((sorted[*n] = cells_next(c, &at)) != NULL)
		++*n;
	qsort(sorted, *n, sizeof(const struct cell *), by_key);
	return sorted;
}

void cells_clear(struct cells *c)
{
	if (c->n > 0)
		memset(c->slots, 0, c->capacity * sizeof(*c->slots));
	c->n = 0;
}

void cells_release(struct cells *c)
{
	free(c->slots);
	*c = (struct cells){0};
}
