/*
 * What a client asks of statistics: the question itself, and how the answer is to be written.
 *
 * Overview: `to` defaults to today, `from` to as many periods before `to` as are shown by default.
 * In UTC both are settled here; other zones' days are known to PostgreSQL alone, so that the query
 * actor settles them. Unknown parameters, and doubled ones that take one value, are errors, so that
 * a misspelt one is not silently left out. Lists are split at commas; a backslash takes the next
 * character as it is.
 * Threads: any. Pure functions, but for the memory of the report.
 */
#ifndef NET_WISH_H
#define NET_WISH_H

#include "domain/report.h"
#include "net/table.h"

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON, FORMATS };

struct statistics_wish {
	struct report *report; /* the question in it is filled in; the caller's to free, also after
				  an error */
	unsigned metrics;      /* bits by enum measure */
	enum format format;
};

struct wish_error {
	const char *code;
	const char *message; /* static storage */
	char field[64];	     /* "" when it is no single one; cut if it was long */
};

/** Fill in @error. Always false, so that it can be returned. */
bool wish_error_set(struct wish_error *error, const char *code, const char *field,
		    const char *message);

/**
 * Read the parameters of @query (NULL: none). @accept (NULL: none) is the header that names the
 * format where no parameter does; @now_ms fills what is left out.
 */
bool statistics_wish_read(const char *query, const char *accept, int64_t now_ms,
			  struct statistics_wish *out, struct wish_error *error) MUST_CHECK;

/** Can sums of UTC days by last click of one campaign answer it? */
bool statistics_wish_is_plain(const struct report_question *q);

/** The text that as `cursor` asks for the page after this one, whose periods are @p. */
void statistics_cursor(const struct report_question *q, const struct periods *p, struct buf *out);

#endif
