/*
 * What an event is: a click, a conversion or an adjustment of one; how its JSON is read, checked
 * and written.
 *
 * Overview: the same reader serves the HTTP edge and the consumer, so that a message that was
 * accepted can always be read again. Only the edge looks at the clock (event_check_time). Unknown
 * keys are ignored; known keys may stand once. `null` and, for ids, the empty string mean "left
 * out". A conversion may leave out campaign and source: then the clicks decide. Threads: any. Pure
 * functions, but for the id that event_read makes from the time it is given. Ownership: the strings
 * of an event are borrowed from the JSON tree it was read from.
 */
#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include "util/buf.h"
#include "util/json.h"
#include "util/uuid.h"

#define EVENT_TEXT_MAX 255 /* code points in source and type */
#define EVENT_TEXT_BYTES_MAX (4 * EVENT_TEXT_MAX)

/* kind, word, name of the id's key, name of the time's key */
#define EVENT_LIST(X)                                                                              \
	X(EVENT_CLICK, "click", "click_id", "click_date")                                          \
	X(EVENT_CONVERSION, "conversion", "conversion_id", "conversion_date")                      \
	X(EVENT_ADJUSTMENT, "adjustment", "adjustment_id", "adjustment_date")

#define EVENT_ENUM(kind, word, id_key, time_key) kind,
enum event_kind { EVENT_LIST(EVENT_ENUM) EVENT_KINDS };
#undef EVENT_ENUM

/* What an adjustment does to its conversion. */
enum change {
	CHANGE_CANCEL, /* it does not count any more */
	CHANGE_REFUND, /* takes an amount off its value */
	CHANGE_VALUE,  /* gives it another value */
	CHANGES,
};

struct event {
	enum event_kind kind;
	struct uuid id;
	struct uuid campaign_id; /* nil: left out, as a conversion may */
	struct uuid user_id;
	struct uuid click_id;	   /* conversions: the click they name; nil: none */
	int64_t time_ms;	   /* event time: milliseconds since 1970 UTC */
	int64_t value_minor;	   /* hundredths; of an adjustment: refunded, or the new value */
	struct uuid conversion_id; /* adjustments: the conversion of the same user */
	enum change change;	   /* adjustments */
	const char *source;	   /* borrowed from the JSON tree, as is type; "": left out */
	size_t source_len;
	const char *type; /* conversions; "" for the others */
	size_t type_len;
};

/* What is wrong with an event: the key, and what was expected. */
struct event_error {
	const char *field; /* static storage; "" when it is no single field */
	char message[160];
};

const char *event_word(enum event_kind kind);
const char *event_id_key(enum event_kind kind);
const char *event_time_key(enum event_kind kind);

/** "cancel", "refund" or "value": the key, and what the table adjustment_events says. */
const char *event_change_word(enum change change);

/** "click", "conversion" or "adjustment"; false for any other word. */
bool event_kind_parse(const char *word, enum event_kind *out) MUST_CHECK;

/**
 * Read an event of @kind from a JSON object. An id that is left out becomes a UUIDv7 for @now_ms,
 * unless
 * @now_ms is negative: then it is an error. On false, @error says why and @out is unspecified.
 */
bool event_read(enum event_kind kind, const cJSON *object, int64_t now_ms, struct event *out,
		struct event_error *error) MUST_CHECK;

/** The edge's rule: not further ahead of @now_ms than @future_limit_ms, not older than
 * @retention_days (0 = any). */
bool event_check_time(const struct event *event, int64_t now_ms, int64_t future_limit_ms,
		      int64_t retention_days, struct event_error *error) MUST_CHECK;

/** Append the canonical JSON that goes to Kafka: fixed key order, lower-case ids, UTC milliseconds,
 * value as x.yy. */
void event_write(const struct event *event, struct buf *out);

#endif
