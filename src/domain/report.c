/*
 * Collecting a report's rows, and the limits of a question.
 *
 * Pure functions, but for the memory of the report.
 */
#include "domain/report.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MIN 8 /* most answers from the caches have a row or two beside their text */

static const char *const words[BREAKDOWNS] = {
	[BREAKDOWN_NONE] = "",
	[BREAKDOWN_SOURCE] = "source",
	[BREAKDOWN_TYPE] = "type",
	[BREAKDOWN_CAMPAIGN] = "campaign",
};

const char *breakdown_word(enum breakdown b)
{
	ASSERT(b < BREAKDOWNS);
	return words[b];
}

bool breakdown_parse(const char *word, enum breakdown *out)
{
	for (int b = BREAKDOWN_NONE + 1; b < BREAKDOWNS; b++) {
		if (strcmp(word, words[b]) == 0) {
			*out = (enum breakdown)b;
			return true;
		}
	}
	return false;
}

struct report *report_new(void)
{
	struct report *rep = xcalloc(1, sizeof(*rep));
	struct report_question *q = &rep->question;
	q->group_by = GROUP_DAILY;
	q->models[0] = MODEL_LAST_CLICK;
	q->n_models = 1;
	q->limit = REPORT_PERIODS_MAX;
	memcpy(q->zone, "UTC", sizeof("UTC"));
	rep->closed_through = INT32_MIN;
	return rep;
}

void report_free(struct report *rep)
{
	if (rep == NULL)
		return;
	periods_release(&rep->periods);
	free(rep->rows);
	free(rep->keys);
	arena_release(&rep->arena);
	free(rep);
}

void report_refuse(struct report *rep, const char *field, const char *problem)
{
	rep->status = REPORT_REFUSED;
	rep->field = field;
	rep->problem = problem;
}

void report_refuse_size(struct report *rep)
{
	report_refuse(rep, "limit", "the answer has more than 50000 rows; expected fewer periods");
}

void report_restart(struct report *rep)
{
	periods_release(&rep->periods);
	free(rep->rows);
	free(rep->keys);
	rep->rows = NULL;
	rep->keys = NULL;
	rep->n = rep->capacity = rep->n_keys = 0;
	rep->status = REPORT_FAILED;
}

uint32_t report_model(const struct report_question *q, const char *word)
{
	uint32_t i = 0;
	while (i < q->n_models && strcmp(model_word(q->models[i]), word) != 0)
		i++;
	ASSERT(i < q->n_models);
	return i;
}

bool report_resolve(struct report *rep, int32_t today)
{
	struct report_question *q = &rep->question;
	if (!q->has_to)
		q->to = today;
	if (!q->has_from)
		q->from = group_default_from(q->group_by, q->to);
	if (q->from > q->to)
		report_refuse(rep, "from", "expected a date not after \"to\"");
	else if ((int64_t)q->to - q->from >= REPORT_DAYS_MAX)
		report_refuse(rep, "from", "expected at most 4000 days up to \"to\"");
	return rep->status != REPORT_REFUSED;
}

static bool same_key(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

struct report_row *report_add(struct report *rep, uint32_t period, const char *key)
{
	struct report_row *last = rep->n > 0 ? &rep->rows[rep->n - 1] : NULL;
	if (last != NULL && last->period == period && same_key(last->key, key))
		return last;
	if (rep->n == REPORT_ROWS_MAX)
		return NULL;
	if (rep->n == rep->capacity) {
		rep->capacity = rep->capacity == 0 ? ROWS_MIN : rep->capacity * 2;
		rep->rows = xrealloc(rep->rows, rep->capacity * sizeof(*rep->rows));
	}
	struct report_row *row = &rep->rows[rep->n++];
	memset(row, 0, sizeof(*row));
	row->period = period;
	row->key = key != NULL ? arena_strndup(&rep->arena, key, strlen(key)) : NULL;
	return row;
}

static bool sums_are_zero(const struct report_sums *s)
{
	bool zero = s->clicks == 0;
	for (int m = 0; m < MODELS; m++) {
		const struct model_sums *sums = &s->models[m];
		zero = zero && sums->credit == 0 && sums->unattributed == 0 &&
		       sums->value_minor == 0 && sums->unattributed_value_minor == 0;
	}
	return zero;
}

static void drop_empty(struct report *rep)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < rep->n; i++) {
		if (sums_are_zero(&rep->rows[i].now) && sums_are_zero(&rep->rows[i].before))
			continue;
		if (kept != i)
			rep->rows[kept] = rep->rows[i];
		kept++;
	}
	rep->n = kept;
}

static int compare_keys(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	if (*x == NULL || *y == NULL)
		return (*x != NULL) - (*y != NULL);
	return strcmp(*x, *y);
}

/* Every key once, sorted; without any row, the one key of an answer that is not broken down. */
static uint32_t distinct_keys(const struct report *rep, const char **keys)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < rep->n; i++)
		keys[i] = rep->rows[i].key;
	if (rep->n > 0)
		qsort(keys, rep->n, sizeof(*keys), compare_keys);
	else if (rep->question.breakdown == BREAKDOWN_NONE)
		keys[n++] = NULL;
	for (uint32_t i = 0; i < rep->n; i++) {
		if (n == 0 || !same_key(keys[n - 1], keys[i]))
			keys[n++] = keys[i];
	}
	return n;
}

static void fill(struct report *rep, const char *const *keys, uint32_t n_keys)
{
	const size_t all = (size_t)n_keys * rep->periods.n;
	struct report_row *rows = xcalloc(all + 1, sizeof(*rows));
	uint32_t have = 0;
	for (size_t i = 0; i < all; i++) {
		const uint32_t period = (uint32_t)(i / n_keys);
		const char *key = keys[i % n_keys];
		if (have < rep->n && rep->rows[have].period == period &&
		    same_key(rep->rows[have].key, key))
			rows[i] = rep->rows[have++];
		else
			rows[i] = (struct report_row){.period = period, .key = key};
	}
	ASSERT(have == rep->n);
	free(rep->rows);
	rep->rows = rows;
	rep->n = rep->capacity = (uint32_t)all;
}

bool report_grid(struct report *rep, const char **keys, uint32_t n_keys)
{
	ASSERT(rep->n == 0 && n_keys > 0);
	if ((uint64_t)n_keys * rep->periods.n > REPORT_ROWS_MAX)
		return false;
	rep->keys = xcalloc(n_keys, sizeof(*rep->keys));
	memcpy(rep->keys, keys, n_keys * sizeof(*keys));
	rep->n_keys = n_keys;
	qsort(rep->keys, n_keys, sizeof(*rep->keys), compare_keys);
	fill(rep, rep->keys, n_keys);
	return true;
}

struct report_row *report_cell(struct report *rep, uint32_t period, const char *key)
{
	uint32_t i = 0;
	if (rep->keys[0] != NULL) {
		const char **found =
			bsearch(&key, rep->keys, rep->n_keys, sizeof(key), compare_keys);
		ASSERT(found != NULL);
		i = (uint32_t)(found - rep->keys);
	}
	ASSERT(period < rep->periods.n);
	return &rep->rows[(size_t)period * rep->n_keys + i];
}

bool report_finish(struct report *rep)
{
	drop_empty(rep);
	if (!rep->question.zero_fill)
		return true;
	const char **keys = xcalloc((size_t)rep->n + 1, sizeof(*keys));
	const uint32_t n_keys = distinct_keys(rep, keys);
	const bool fits = (uint64_t)n_keys * rep->periods.n <= REPORT_ROWS_MAX;
	if (fits && n_keys > 0)
		fill(rep, keys, n_keys);
	free(keys);
	return fits;
}

void report_add_totals(struct report_sums *sums, const struct totals *t)
{
	struct model_sums *m = &sums->models[0];
	sums->clicks += t->clicks;
	m->credit += t->conversions * CREDIT_WHOLE;
	m->unattributed += t->unattributed;
	m->value_minor += t->value_minor;
	m->unattributed_value_minor += t->unattributed_value_minor;
}

double conversion_rate(int64_t credit, int64_t clicks)
{
	const double conversions =
		(double)(credit / CREDIT_WHOLE) + (double)(credit % CREDIT_WHOLE) / CREDIT_WHOLE;
	return clicks == 0 ? 0.0 : conversions / (double)clicks * 100.0;
}
