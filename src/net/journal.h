/*
 * POST that writes the journals of yesterday, or of the days that a client names.
 *
 * Threads: the worker that serves the request.
 */
#ifndef NET_JOURNAL_H
#define NET_JOURNAL_H

#include "util/json.h"

struct request;

#define JOURNAL_DAYS_MAX 4000

void journal_serve(struct request *r);

/* Which days a client wants: explicit is false for yesterday. */
struct journal_wish {
	int32_t from, to; /* days, inclusive */
	bool is_explicit;
};

struct journal_error {
	const char *field; /* borrowed from the JSON tree, or static; "" if it is no single field */
	const char *message;
};

/** Read {"date"}, {"from","to"} or {}; @body NULL is {}. Days must lie before @today. */
bool journal_wish_read(const cJSON *body, int32_t today, struct journal_wish *out,
		       struct journal_error *error) MUST_CHECK;

#endif
