/*
 * Writing the rows of a report: as JSON objects, or as lines of CSV (RFC 4180).
 *
 * Overview: a row has its period, its key if there is a breakdown, the metrics that were asked for,
 * and the same once more for each model compared and for the previous period. Where types are the
 * keys, clicks stand in a row without a type, and the conversion rate of every type is by all
 * clicks of the period. Threads: any. Pure functions.
 */
#ifndef NET_TABLE_H
#define NET_TABLE_H

#include "domain/report.h"

/* metric, name */
#define MEASURE_LIST(X)                                                                            \
	X(MEASURE_CLICKS, "total_clicks")                                                          \
	X(MEASURE_CONVERSIONS, "total_conversions")                                                \
	X(MEASURE_VALUE, "total_value")                                                            \
	X(MEASURE_RATE, "conversion_rate")                                                         \
	X(MEASURE_UNATTRIBUTED, "unattributed_conversions")                                        \
	X(MEASURE_UNATTRIBUTED_VALUE, "unattributed_value")

#define MEASURE_ENUM(metric, name) metric,
enum measure { MEASURE_LIST(MEASURE_ENUM) MEASURES };
#undef MEASURE_ENUM

#define MEASURES_ALL ((1u << MEASURES) - 1)

bool measure_parse(const char *word, enum measure *out) MUST_CHECK;

/** All rows as objects with @separator between and, if @last, behind them. @metrics are bits. */
void table_add_json(struct buf *out, const struct report *rep, unsigned metrics,
		    const char *separator, bool last);

/** The object of a day of last click with all metrics, as table_add_json writes it. */
void table_add_day(const struct day_totals *day, struct buf *out);

/** A header line, then all rows. */
void table_add_csv(struct buf *out, const struct report *rep, unsigned metrics);

#define RATE_TEXT_MAX 32

/** Write the shortest decimal that reads back as @rate, and a NUL. */
void rate_format(double rate, char out[RATE_TEXT_MAX]);

#endif
