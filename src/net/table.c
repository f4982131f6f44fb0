/*
 * Rows of a report as text.
 *
 * Pure functions.
 */
#include "net/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/money.h"

#define MEASURE_NAME(metric, name) [metric] = name,
static const char *const names[MEASURES] = {MEASURE_LIST(MEASURE_NAME)};
#undef MEASURE_NAME

static const char nil_text[] = "00000000-0000-0000-0000-000000000000";

/* One side of a row, and how it is written. */
struct cell {
	const struct report_sums *sums;
	uint32_t model;
	int64_t rate_clicks; /* what conversions are divided by */
};

struct writing {
	struct buf *out;
	const struct report *rep;
	unsigned metrics;
	int64_t now_clicks, before_clicks; /* of the period, where types are the keys */
};

bool measure_parse(const char *word, enum measure *out)
{
	for (int m = 0; m < MEASURES; m++) {
		if (strcmp(word, names[m]) == 0) {
			*out = (enum measure)m;
			return true;
		}
	}
	return false;
}

void rate_format(double rate, char out[RATE_TEXT_MAX])
{
	/* %g leaves zeros out, so fifteen digits show every shorter decimal as it is. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(out, RATE_TEXT_MAX, "%.*g", digits, rate);
		if (strtod(out, NULL) == rate)
			return;
	}
}

/* Whole conversions as an integer, others with up to six decimals. */
static void add_credit(struct buf *out, int64_t credit)
{
	const int64_t rest = llabs(credit % CREDIT_WHOLE);
	if (credit < 0 && credit > -CREDIT_WHOLE)
		buf_addc(out, '-');
	buf_addf(out, "%" PRId64, credit / CREDIT_WHOLE);
	if (rest == 0)
		return;
	buf_addf(out, ".%06" PRId64, rest);
	while (out->data[out->len - 1] == '0')
		out->data[--out->len] = '\0';
}

static void add_money(struct buf *out, __int128 minor, const char *quote)
{
	char text[MONEY_TEXT_MAX];
	(void)money_format(minor, text);
	buf_addf(out, "%s%s%s", quote, text, quote);
}

static void add_measure(struct buf *out, enum measure measure, const struct cell *c,
			const char *quote)
{
	const struct model_sums *m = &c->sums->models[c->model];
	char rate[RATE_TEXT_MAX];
	switch (measure) {
	case MEASURE_CLICKS:
		buf_addf(out, "%" PRId64, c->sums->clicks);
		break;
	case MEASURE_CONVERSIONS:
		add_credit(out, m->credit);
		break;
	case MEASURE_VALUE:
		add_money(out, m->value_minor, quote);
		break;
	case MEASURE_RATE:
		rate_format(conversion_rate(m->credit, c->rate_clicks), rate);
		buf_adds(out, rate);
		break;
	case MEASURE_UNATTRIBUTED:
		buf_addf(out, "%" PRId64, m->unattributed);
		break;
	case MEASURE_UNATTRIBUTED_VALUE:
		add_money(out, m->unattributed_value_minor, quote);
		break;
	case MEASURES:
		break;
	}
}

static bool has_measure(unsigned metrics, int metric)
{
	return (metrics >> metric & 1) != 0;
}

/* Note the clicks of the period that the rows from @i on are of. */
static void enter_row(struct writing *w, uint32_t i)
{
	const struct report_row *row = &w->rep->rows[i];
	if (i > 0 && w->rep->rows[i - 1].period == row->period)
		return;
	w->now_clicks = row->key == NULL ? row->now.clicks : 0;
	w->before_clicks = row->key == NULL ? row->before.clicks : 0;
}

static struct cell cell_of(const struct writing *w, const struct report_row *row, bool before,
			   uint32_t model)
{
	const struct report_sums *sums = before ? &row->before : &row->now;
	const int64_t of_period = before ? w->before_clicks : w->now_clicks;
	return (struct cell){
		.sums = sums,
		.model = model,
		.rate_clicks =
			w->rep->question.breakdown == BREAKDOWN_TYPE ? of_period : sums->clicks,
	};
}

/* --- JSON --- */

static void add_fields(const struct writing *w, unsigned metrics, const struct cell *c, bool first)
{
	for (int m = 0; m < MEASURES; m++) {
		if (!has_measure(metrics, m))
			continue;
		buf_addf(w->out, "%s\"%s\":", first ? "" : ",", names[m]);
		add_measure(w->out, (enum measure)m, c, "\"");
		first = false;
	}
}

static void add_side(const struct writing *w, const struct report_row *row, bool before)
{
	const struct report_question *q = &w->rep->question;
	const struct cell first = cell_of(w, row, before, 0);
	add_fields(w, w->metrics, &first, false);
	if (q->n_models < 2)
		return;
	for (uint32_t m = 0; m < q->n_models; m++) {
		const struct cell c = cell_of(w, row, before, m);
		buf_addf(w->out, "%s\"%s\":{", m == 0 ? ",\"models\":{" : ",",
			 model_word(q->models[m]));
		add_fields(w, w->metrics & ~(1u << MEASURE_CLICKS), &c, true);
		buf_addc(w->out, '}');
	}
	buf_addc(w->out, '}');
}

/* What a key is called: campaigns by their id, as in the question. */
static const char *key_name(const struct report *rep)
{
	const enum breakdown b = rep->question.breakdown;
	return b == BREAKDOWN_CAMPAIGN ? "campaign_id" : breakdown_word(b);
}

static const char *key_text(const struct report *rep, const char *key)
{
	if (rep->question.breakdown == BREAKDOWN_CAMPAIGN && strcmp(key, nil_text) == 0)
		return "none";
	return key;
}

static void add_object(const struct writing *w, const struct report_row *row)
{
	const struct report_question *q = &w->rep->question;
	const struct period *p = &w->rep->periods.items[row->period];
	char text[PERIOD_TEXT_MAX];
	period_format(q->group_by, &p->now, text);
	buf_addf(w->out, "{\"period\":\"%s\"", text);
	if (q->breakdown != BREAKDOWN_NONE) {
		buf_addf(w->out, ",\"%s\":", key_name(w->rep));
		if (row->key == NULL) {
			buf_adds(w->out, "null");
		} else {
			const char *key = key_text(w->rep, row->key);
			buf_add_json(w->out, key, strlen(key));
		}
	}
	add_side(w, row, false);
	if (q->previous) {
		period_format(q->group_by, &p->before, text);
		buf_addf(w->out, ",\"previous\":{\"period\":\"%s\"", text);
		add_side(w, row, true);
		buf_addc(w->out, '}');
	}
	buf_addc(w->out, '}');
}

void table_add_day(const struct day_totals *day, struct buf *out)
{
	const struct writing w = {.out = out};
	struct report_sums sums = {0};
	char text[DATE_TEXT_LEN + 1];
	report_add_totals(&sums, &day->totals);
	date_format(day->day, text);
	buf_addf(out, "{\"period\":\"%s\"", text);
	add_fields(&w, MEASURES_ALL, &(struct cell){&sums, 0, sums.clicks}, false);
	buf_addc(out, '}');
}

void table_add_json(struct buf *out, const struct report *rep, unsigned metrics,
		    const char *separator, bool last)
{
	struct writing w = {.out = out, .rep = rep, .metrics = metrics};
	for (uint32_t i = 0; i < rep->n; i++) {
		enter_row(&w, i);
		add_object(&w, &rep->rows[i]);
		if (last || i + 1 < rep->n)
			buf_adds(out, separator);
	}
}

/* --- CSV --- */

static void add_names(const struct writing *w, unsigned metrics, const char *side,
		      const char *model)
{
	for (int m = 0; m < MEASURES; m++) {
		if (has_measure(metrics, m))
			buf_addf(w->out, ",%s%s%s%s", side, model, *model != '\0' ? "." : "",
				 names[m]);
	}
}

static void add_header(const struct writing *w)
{
	const struct report_question *q = &w->rep->question;
	buf_adds(w->out, "period");
	if (q->breakdown != BREAKDOWN_NONE)
		buf_addf(w->out, ",%s", key_name(w->rep));
	for (int before = 0; before <= (q->previous ? 1 : 0); before++) {
		const char *side = before != 0 ? "previous." : "";
		if (before != 0)
			buf_adds(w->out, ",previous.period");
		add_names(w, w->metrics, side, "");
		for (uint32_t m = 0; q->n_models > 1 && m < q->n_models; m++)
			add_names(w, w->metrics & ~(1u << MEASURE_CLICKS), side,
				  model_word(q->models[m]));
	}
	buf_adds(w->out, "\r\n");
}

static void add_values(const struct writing *w, unsigned metrics, const struct cell *c)
{
	for (int m = 0; m < MEASURES; m++) {
		if (!has_measure(metrics, m))
			continue;
		buf_addc(w->out, ',');
		add_measure(w->out, (enum measure)m, c, "");
	}
}

static void add_line(const struct writing *w, const struct report_row *row)
{
	const struct report_question *q = &w->rep->question;
	const struct period *p = &w->rep->periods.items[row->period];
	char text[PERIOD_TEXT_MAX];
	for (int before = 0; before <= (q->previous ? 1 : 0); before++) {
		period_format(q->group_by, before != 0 ? &p->before : &p->now, text);
		buf_addf(w->out, "%s%s", before != 0 ? "," : "", text);
		if (before == 0 && q->breakdown != BREAKDOWN_NONE) {
			buf_addc(w->out, ',');
			if (row->key != NULL)
				buf_add_csv(w->out, key_text(w->rep, row->key));
		}
		const struct cell first = cell_of(w, row, before != 0, 0);
		add_values(w, w->metrics, &first);
		for (uint32_t m = 0; q->n_models > 1 && m < q->n_models; m++) {
			const struct cell c = cell_of(w, row, before != 0, m);
			add_values(w, w->metrics & ~(1u << MEASURE_CLICKS), &c);
		}
	}
	buf_adds(w->out, "\r\n");
}

void table_add_csv(struct buf *out, const struct report *rep, unsigned metrics)
{
	struct writing w = {.out = out, .rep = rep, .metrics = metrics};
	add_header(&w);
	for (uint32_t i = 0; i < rep->n; i++) {
		enter_row(&w, i);
		add_line(&w, &rep->rows[i]);
	}
}
