/*
 * A question about statistics, and its answer: rows of sums by period and, if asked, by source,
 * type or campaign.
 *
 * Overview: a report is made from a request, filled by whoever can answer, and printed. Rows stand
 * newest period first, within a period by key in byte order, the row without a key first.
 * Usage: report_new(), set question, report_resolve(), fill periods, report_add() in row order,
 * report_finish(). Threads: it has one owner at a time. Ownership: everything in it is its own.
 */
#ifndef DOMAIN_REPORT_H
#define DOMAIN_REPORT_H

#include "domain/model.h"
#include "domain/period.h"
#include "util/arena.h"
#include "util/uuid.h"

#define REPORT_DAYS_MAX 4000
#define REPORT_CAMPAIGNS_MAX 100
#define REPORT_NAMES_MAX 100	 /* values of a filter */
#define REPORT_PERIODS_MAX 10000 /* in an answer; further ones are on the next page */
#define REPORT_ROWS_MAX 50000	 /* in an answer; beyond it is refused */
#define ZONE_TEXT_MAX 64

enum breakdown { BREAKDOWN_NONE, BREAKDOWN_SOURCE, BREAKDOWN_TYPE, BREAKDOWN_CAMPAIGN, BREAKDOWNS };

/* "source", and so on; "" for none. */
const char *breakdown_word(enum breakdown b);
bool breakdown_parse(const char *word, enum breakdown *out) MUST_CHECK;

/* Only these, or all but these; n == 0: all. */
struct name_filter {
	const char *names[REPORT_NAMES_MAX]; /* in the report's arena */
	uint32_t n;
	bool negated;
};

struct report_question {
	struct uuid campaigns[REPORT_CAMPAIGNS_MAX]; /* the nil one: conversions of no campaign */
	uint32_t n_campaigns;
	enum group_by group_by;
	enum breakdown breakdown;
	bool has_from, has_to;
	int32_t from, to; /* local days, inclusive */
	char zone[ZONE_TEXT_MAX];
	struct name_filter sources;
	struct name_filter types; /* of conversions; clicks have none, and are all counted */
	enum model models[MODELS];
	uint32_t n_models;
	bool previous;	/* the sums of each period's previous one, too */
	bool zero_fill; /* a row also where there is nothing */
	uint32_t limit; /* most periods */
	bool has_cursor;
	int64_t cursor; /* a day, or for hours an instant in seconds: periods before it */
	int64_t now_ms;
};

struct model_sums {
	int64_t credit; /* parts per million of a conversion */
	int64_t unattributed;
	__int128 value_minor;
	__int128 unattributed_value_minor;
};

struct report_sums {
	int64_t clicks;
	struct model_sums models[MODELS]; /* in the order of the question */
};

struct report_row {
	uint32_t period; /* index into periods */
	const char *key; /* NULL: without */
	struct report_sums now;
	struct report_sums before;
};

enum report_status {
	REPORT_FAILED, /* nobody could tell */
	REPORT_OK,
	REPORT_NO_CAMPAIGN,
	REPORT_REFUSED, /* see field and problem */
};

struct report {
	struct report_question question;
	enum report_status status;
	const char *field, *problem; /* static */
	struct periods periods;
	struct report_row *rows;
	uint32_t n, capacity;
	const char **keys; /* of a grid: the rows are all of these in every period */
	uint32_t n_keys;
	uint64_t as_of_ns; /* monotonic: the answer has everything that was committed by then */
	int32_t closed_through; /* the last UTC day known to be closed; INT32_MIN: not known */
	struct arena arena;
};

struct report *report_new(void) MUST_CHECK;

/** NULL is fine. */
void report_free(struct report *rep);

/** Fill in the days that were not asked for and check the range; false: status, field and problem
 * are set. @today is the zone's. */
bool report_resolve(struct report *rep, int32_t today) MUST_CHECK;

/** REPORT_REFUSED with a field and a sentence part, both static. */
void report_refuse(struct report *rep, const char *field, const char *problem);

/** The same for an answer with more than REPORT_ROWS_MAX rows. */
void report_refuse_size(struct report *rep);

/** Where the model of this name, which is among those asked for, stands in the sums. */
uint32_t report_model(const struct report_question *q, const char *word);

/** Forget what an attempt to answer has left, but not the question. */
void report_restart(struct report *rep);

/**
 * The row of @period and @key (NULL: without), to be added to. It is the last one, or a new one
 * behind it. NULL: there are too many. Valid until the next call.
 */
struct report_row *report_add(struct report *rep, uint32_t period, const char *key) MUST_CHECK;

/**
 * Make an empty row for each of @keys (in the report's arena, none twice; or one NULL) in every
 * period, to be filled in any order with report_cell. False: there are too many, and nothing was
 * made.
 */
bool report_grid(struct report *rep, const char **keys, uint32_t n_keys) MUST_CHECK;

/** The row of a grid. @key must be one of its keys. Rows stay where they are until
 * report_finish. */
struct report_row *report_cell(struct report *rep, uint32_t period, const char *key) MUST_CHECK;

/** Take empty rows out, or with zero_fill put in every key in every period. False: too many. */
bool report_finish(struct report *rep) MUST_CHECK;

/** Add a day of last click to the first model's sums. */
void report_add_totals(struct report_sums *sums, const struct totals *t);

/** Conversions per click in per cent; 0 without clicks. */
double conversion_rate(int64_t credit, int64_t clicks);

#endif
