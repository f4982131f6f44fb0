/*
 * Rows of exports as text.
 *
 * Pure functions.
 */
#include "domain/export_row.h"

#include <string.h>

struct column {
	const char *name;
	enum export_type type;
};

#define COLUMN_ROW(id, name, type) {name, type},
static const struct column click_columns[] = {EXPORT_CLICK_COLUMNS(COLUMN_ROW)};
static const struct column conversion_columns[] = {EXPORT_CONVERSION_COLUMNS(COLUMN_ROW)};
static const struct column credit_columns[] = {EXPORT_CREDIT_COLUMNS(COLUMN_ROW)};
#undef COLUMN_ROW

static const struct {
	const struct column *columns;
	size_t n;
} tables[EXPORT_KINDS] = {
	[EXPORT_CLICKS] = {click_columns, ARRAY_LEN(click_columns)},
	[EXPORT_CONVERSIONS] = {conversion_columns, ARRAY_LEN(conversion_columns)},
	[EXPORT_CREDITS] = {credit_columns, ARRAY_LEN(credit_columns)},
};

static void add_json(struct buf *out, const struct column *c, const char *text)
{
	buf_addc(out, '"');
	buf_adds(out, c->name);
	buf_adds(out, "\":");
	if (text == NULL) {
		buf_adds(out, "null");
	} else if (c->type == EXPORT_TEXT) {
		buf_add_json(out, text, strlen(text));
	} else {
		const char *quote = c->type == EXPORT_WORD ? "\"" : "";
		buf_adds(out, quote);
		buf_adds(out, text);
		buf_adds(out, quote);
	}
}

static void add_csv(struct buf *out, const struct column *c, const char *text)
{
	if (text == NULL)
		return;
	if (c->type == EXPORT_TEXT)
		buf_add_csv(out, text);
	else
		buf_adds(out, text);
}

void export_row_add_header(struct buf *out, enum export_kind kind)
{
	for (size_t i = 0; i < tables[kind].n; i++) {
		buf_adds(out, i == 0 ? "" : ",");
		buf_adds(out, tables[kind].columns[i].name);
	}
	buf_adds(out, "\r\n");
}

void export_row_add(struct buf *out, const struct export_question *q, const char *const *texts,
		    const char *cursor)
{
	const struct column *columns = tables[q->kind].columns;
	const size_t n = tables[q->kind].n;
	const bool is_csv = q->format == EXPORT_CSV;
	ASSERT(n <= EXPORT_COLUMNS_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *text = i + 1 < n ? texts[i] : cursor;
		buf_adds(out, i > 0 ? "," : is_csv ? "" : "{");
		if (is_csv)
			add_csv(out, &columns[i], text);
		else
			add_json(out, &columns[i], text);
	}
	buf_adds(out, is_csv ? "\r\n" : "}\n");
}
