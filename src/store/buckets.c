/*
 * Sums of buckets, as rows of a report.
 *
 * Runs on the query actors.
 */
#include "store/buckets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/statement.h"
#include "util/money.h"

#define ROWS_PER_KEY (2 * (1 + MODELS)) /* rows of the statement that make one of the report */
#define NUMBER_MAX 24

/* The columns of report_rows.sql. */
enum {
	COL_PERIOD,
	COL_BEFORE,
	COL_KEY,
	COL_MODEL,
	COL_CLICKS,
	COL_CREDIT,
	COL_UNATTRIBUTED,
	COL_VALUE,
	COL_UNATTRIBUTED_VALUE
};

void pieces_add(struct pieces *p, uint32_t period, bool before, int64_t low_s, int64_t high_s)
{
	if (low_s >= high_s)
		return;
	if (p->n == p->capacity) {
		p->capacity = p->capacity == 0 ? 64 : p->capacity * 2;
		p->items = xrealloc(p->items, p->capacity * sizeof(*p->items));
	}
	p->items[p->n++] = (struct piece){period, before, low_s, high_s};
}

void pieces_release(struct pieces *p)
{
	free(p->items);
	*p = (struct pieces){0};
}

void buckets_write_campaigns(const struct report_question *q, struct buf *out)
{
	char id[UUID_TEXT_LEN + 1];
	for (uint32_t i = 0; i < q->n_campaigns; i++) {
		uuid_format(&q->campaigns[i], id);
		buf_addf(out, "%c%s", i == 0 ? '{' : ',', id);
	}
	buf_addc(out, '}');
}

/* An array of texts; quotes and backslashes escaped. */
static void write_texts(const char *const *texts, uint32_t n, struct buf *out)
{
	for (uint32_t i = 0; i < n; i++) {
		buf_adds(out, i == 0 ? "{\"" : ",\"");
		for (const char *c = texts[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, *c);
		}
		buf_addc(out, '"');
	}
	buf_adds(out, n == 0 ? "{}" : "}");
}

void buckets_write_models(const struct report_question *q, struct buf *out)
{
	const char *words[MODELS];
	for (uint32_t i = 0; i < q->n_models; i++)
		words[i] = model_word(q->models[i]);
	write_texts(words, q->n_models, out);
}

/* Four arrays, one element a piece. */
static void write_pieces(const struct pieces *p, struct buf out[4])
{
	for (uint32_t i = 0; i < p->n; i++) {
		const char open = i == 0 ? '{' : ',';
		buf_addf(&out[0], "%c%" PRId64, open, p->items[i].low_s);
		buf_addf(&out[1], "%c%" PRId64, open, p->items[i].high_s);
		buf_addf(&out[2], "%c%" PRIu32, open, p->items[i].period);
		buf_addf(&out[3], "%c%c", open, p->items[i].before ? 't' : 'f');
	}
	for (int i = 0; i < 4; i++)
		buf_addc(&out[i], '}');
}

/* Add one row of the statement; false: there are too many. */
static bool take_row(struct report *rep, const PGresult *r, int i)
{
	const char *key = PQgetisnull(r, i, COL_KEY) ? NULL : PQgetvalue(r, i, COL_KEY);
	const uint32_t period = (uint32_t)pg_int(r, i, COL_PERIOD);
	struct report_row *row =
		rep->keys != NULL ? report_cell(rep, period, key) : report_add(rep, period, key);
	if (row == NULL)
		return false;
	struct report_sums *sums = *PQgetvalue(r, i, COL_BEFORE) == 't' ? &row->before : &row->now;
	if (PQgetisnull(r, i, COL_MODEL)) {
		sums->clicks += pg_int(r, i, COL_CLICKS);
		return true;
	}
	struct model_sums *m =
		&sums->models[report_model(&rep->question, PQgetvalue(r, i, COL_MODEL))];
	__int128 value, unattributed;
	ASSERT(minor_parse(PQgetvalue(r, i, COL_VALUE), &value));
	ASSERT(minor_parse(PQgetvalue(r, i, COL_UNATTRIBUTED_VALUE), &unattributed));
	m->credit += pg_int(r, i, COL_CREDIT);
	m->unattributed += pg_int(r, i, COL_UNATTRIBUTED);
	m->value_minor += value;
	m->unattributed_value_minor += unattributed;
	return true;
}

static void take_rows(struct report *rep, const PGresult *r)
{
	const int n = PQntuples(r);
	bool fits = rep->keys != NULL || n < REPORT_ROWS_MAX * ROWS_PER_KEY;
	for (int i = 0; fits && i < n; i++)
		fits = take_row(rep, r, i);
	if (!fits)
		report_refuse_size(rep);
}

enum err buckets_sum(struct pg *pg, struct report *rep, const struct pieces *pieces)
{
	const struct report_question *q = &rep->question;
	enum { CAMPAIGNS, PIECES, SOURCES = PIECES + 4, TYPES, MODEL_NAMES, TEXTS };
	struct buf texts[TEXTS] = {BUF_INIT};
	char most[NUMBER_MAX];
	if (pieces->n == 0)
		return ERR_OK;
	buckets_write_campaigns(q, &texts[CAMPAIGNS]);
	write_pieces(pieces, &texts[PIECES]);
	write_texts(q->sources.names, q->sources.n, &texts[SOURCES]);
	write_texts(q->types.names, q->types.n, &texts[TYPES]);
	buckets_write_models(q, &texts[MODEL_NAMES]);
	snprintf(most, sizeof(most), "%d",
		 rep->keys != NULL ? INT32_MAX : REPORT_ROWS_MAX * ROWS_PER_KEY);
	const char *const params[] = {
		texts[CAMPAIGNS].data,
		texts[PIECES].data,
		texts[PIECES + 1].data,
		texts[PIECES + 2].data,
		texts[PIECES + 3].data,
		breakdown_word(q->breakdown),
		q->sources.n > 0 ? texts[SOURCES].data : NULL,
		q->sources.negated ? "t" : "f",
		q->types.n > 0 ? texts[TYPES].data : NULL,
		q->types.negated ? "t" : "f",
		texts[MODEL_NAMES].data,
		most,
	};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_report_rows, (int)ARRAY_LEN(params), params, &r);
	if (e == ERR_OK)
		take_rows(rep, r);
	PQclear(r);
	for (int i = 0; i < TEXTS; i++)
		buf_release(&texts[i]);
	return e;
}
