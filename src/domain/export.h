/*
 * An export: what is asked for, how far it is, and the text of its next page.
 *
 * Overview: an export answers all clicks, conversions or credits of a range, month by month, within
 * a month by id, of the same id by time: the order of the primary keys, which nothing has to be
 * sorted for. Every row carries a cursor, which says where it stands; an export that begins there
 * goes on right behind it. The months are those of the event tables' partitions, and what lies
 * before and behind them counts as one month each. Threads: an export has one owner at a time, and
 * moves between the worker that serves it and an exporter. Ownership: everything in it is its own.
 */
#ifndef DOMAIN_EXPORT_H
#define DOMAIN_EXPORT_H

#include "domain/model.h"
#include "util/buf.h"
#include "util/uuid.h"

#define EXPORT_CAMPAIGNS_MAX 100
#define EXPORT_CURSOR_MAX 96
#define EXPORT_ROWS_ALL UINT64_MAX
#define EXPORT_MONTH_PAST INT32_MIN /* everything before the first month */
#define EXPORT_MONTH_FIRST 10957    /* 2000-01-01 */
#define EXPORT_MONTH_FUTURE 47482   /* 2100-01-01: everything from then on */

/* kind, word */
#define EXPORT_LIST(X)                                                                             \
	X(EXPORT_CLICKS, "clicks")                                                                 \
	X(EXPORT_CONVERSIONS, "conversions")                                                       \
	X(EXPORT_CREDITS, "credits")

#define EXPORT_ENUM(kind, word) kind,
enum export_kind { EXPORT_LIST(EXPORT_ENUM) EXPORT_KINDS };
#undef EXPORT_ENUM

enum export_format { EXPORT_NDJSON, EXPORT_CSV, EXPORT_FORMATS };

/* A row, by what orders it. */
struct export_place {
	struct uuid id;	 /* of the click or the conversion */
	int64_t time_us; /* its time, since 1970 */
	int32_t model;	 /* of a credit; MODELS: behind all credits of the conversion */
	int32_t touch;	 /* of a credit: from 1 */
};

struct export_question {
	enum export_kind kind;
	enum export_format format;
	bool has_from, has_to;
	int64_t from_us, to_us;			     /* since 1970; events before `to` */
	struct uuid campaigns[EXPORT_CAMPAIGNS_MAX]; /* the nil one: conversions of no campaign */
	uint32_t n_campaigns;			     /* 0: all */
	unsigned models;			     /* of credits: bits by enum model */
	uint64_t limit;				     /* rows; EXPORT_ROWS_ALL: no limit */
	bool has_cursor;
	struct export_place cursor; /* rows behind it */
};

enum export_status {
	EXPORT_FAILED, /* nothing was read; asking again is fine */
	EXPORT_MORE,   /* the text is a page, maybe an empty one */
	EXPORT_DONE,   /* the text is the last page */
};

struct export
{
	struct export_question question;
	enum export_status status;
	struct buf text; /* of the page asked for last */
	uint64_t rows;	 /* in all pages so far */

	/* where the next page begins */
	bool is_begun;
	int32_t month;		   /* its first day, or EXPORT_MONTH_PAST */
	bool has_place;		   /* else: at the month's begin */
	struct export_place place; /* behind which */
};

struct export *export_new(void) MUST_CHECK;

/** NULL is fine. */
void export_free(struct export *x);

const char *export_kind_word(enum export_kind kind);
bool export_kind_parse(const char *word, enum export_kind *out) MUST_CHECK;

/** The month that a time lies in. */
int32_t export_month_of(int64_t time_us);

/** Is @a's place behind @b's within the same conversion? (Credits.) */
bool export_is_behind(int32_t model, int32_t touch, const struct export_place *b);

/** Write what a row's cursor says, and a NUL. */
void export_cursor_format(enum export_kind kind, const struct export_place *place,
			  char out[EXPORT_CURSOR_MAX]);

/** Read it; false also for a cursor of another kind, or one that was cut. */
bool export_cursor_parse(enum export_kind kind, const char *text,
			 struct export_place *out) MUST_CHECK;

#endif
