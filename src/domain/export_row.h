/*
 * The columns of exports, and their rows as text: JSON objects, or lines of CSV (RFC 4180).
 *
 * Overview: a row comes as texts in the order of its columns; the last column is its cursor. In
 * NDJSON and in CSV the columns are the same. Rows of clicks and conversions have the keys and
 * values that POST /api/events/batch takes. Threads: any. Pure functions.
 */
#ifndef DOMAIN_EXPORT_ROW_H
#define DOMAIN_EXPORT_ROW_H

#include "domain/export.h"

/* As what a column's texts stand in JSON. */
enum export_type {
	EXPORT_TEXT, /* a string that may hold anything */
	EXPORT_WORD, /* a string with nothing in it to escape, also not in CSV */
	EXPORT_BARE, /* a number, or true or false */
};

/* X(id, name, type) */
#define EXPORT_CLICK_COLUMNS(X)                                                                    \
	X(CLICK_EVENT, "event", EXPORT_WORD)                                                       \
	X(CLICK_ID, "click_id", EXPORT_WORD)                                                       \
	X(CLICK_USER, "user_id", EXPORT_WORD)                                                      \
	X(CLICK_CAMPAIGN, "campaign_id", EXPORT_WORD)                                              \
	X(CLICK_SOURCE, "source", EXPORT_TEXT)                                                     \
	X(CLICK_DATE, "click_date", EXPORT_WORD)                                                   \
	X(CLICK_CURSOR, "cursor", EXPORT_WORD)

#define EXPORT_CONVERSION_COLUMNS(X)                                                               \
	X(CONVERSION_EVENT, "event", EXPORT_WORD)                                                  \
	X(CONVERSION_ID, "conversion_id", EXPORT_WORD)                                             \
	X(CONVERSION_USER, "user_id", EXPORT_WORD)                                                 \
	X(CONVERSION_CAMPAIGN, "campaign_id", EXPORT_WORD)                                         \
	X(CONVERSION_SOURCE, "source", EXPORT_TEXT)                                                \
	X(CONVERSION_TYPE, "type", EXPORT_TEXT)                                                    \
	X(CONVERSION_VALUE, "value", EXPORT_WORD)                                                  \
	X(CONVERSION_ADJUSTED, "adjusted_value", EXPORT_WORD)                                      \
	X(CONVERSION_CANCELLED, "cancelled", EXPORT_BARE)                                          \
	X(CONVERSION_DATE, "conversion_date", EXPORT_WORD)                                         \
	X(CONVERSION_NAMED, "click_id", EXPORT_WORD)                                               \
	X(CONVERSION_LAST_ID, "last_click_id", EXPORT_WORD)                                        \
	X(CONVERSION_LAST_DATE, "last_click_date", EXPORT_WORD)                                    \
	X(CONVERSION_LAST_CAMPAIGN, "last_click_campaign_id", EXPORT_WORD)                         \
	X(CONVERSION_LAST_SOURCE, "last_click_source", EXPORT_TEXT)                                \
	X(CONVERSION_CURSOR, "cursor", EXPORT_WORD)

#define EXPORT_CREDIT_COLUMNS(X)                                                                   \
	X(CREDIT_CONVERSION, "conversion_id", EXPORT_WORD)                                         \
	X(CREDIT_CONVERSION_DATE, "conversion_date", EXPORT_WORD)                                  \
	X(CREDIT_MODEL, "model", EXPORT_WORD)                                                      \
	X(CREDIT_PLACE, "place", EXPORT_BARE)                                                      \
	X(CREDIT_EXTRA, "is_extra", EXPORT_BARE)                                                   \
	X(CREDIT_CLICK, "click_id", EXPORT_WORD)                                                   \
	X(CREDIT_CLICK_DATE, "click_date", EXPORT_WORD)                                            \
	X(CREDIT_CAMPAIGN, "campaign_id", EXPORT_WORD)                                             \
	X(CREDIT_SOURCE, "source", EXPORT_TEXT)                                                    \
	X(CREDIT_CREDIT, "credit", EXPORT_BARE)                                                    \
	X(CREDIT_VALUE, "value", EXPORT_WORD)                                                      \
	X(CREDIT_CURSOR, "cursor", EXPORT_WORD)

#define EXPORT_COLUMN_ENUM(id, name, type) EXPORT_##id,
enum export_click_column { EXPORT_CLICK_COLUMNS(EXPORT_COLUMN_ENUM) EXPORT_CLICK_COLUMNS_N };
enum export_conversion_column {
	EXPORT_CONVERSION_COLUMNS(EXPORT_COLUMN_ENUM) EXPORT_CONVERSION_COLUMNS_N
};
enum export_credit_column { EXPORT_CREDIT_COLUMNS(EXPORT_COLUMN_ENUM) EXPORT_CREDIT_COLUMNS_N };
#undef EXPORT_COLUMN_ENUM

#define EXPORT_COLUMNS_MAX 16

/** The line with the names of the columns, for CSV. */
void export_row_add_header(struct buf *out, enum export_kind kind);

/** A row: a text for each column but the last, whose is @cursor; NULL: JSON's null, CSV's nothing.
 */
void export_row_add(struct buf *out, const struct export_question *q, const char *const *texts,
		    const char *cursor);

#endif
