/*
 * Reading and writing fence rows.
 *
 * Runs on the consumer (claim), on the writers (the rest), and on main for operators' tools.
 */
#include "store/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/statement.h"
#include "util/log.h"

#define ARRAY_TEXT_MAX PG_SHORT_MAX

/* Read a PostgreSQL array "{1,2}" of one number for each topic. */
static void parse_array(const char *text, int64_t out[EVENT_KINDS])
{
	ASSERT(*text == '{');
	for (int t = 0; t < EVENT_KINDS; t++) {
		char *end;
		out[t] = strtoll(text + 1, &end, 10);
		text = end;
	}
	ASSERT(*text == '}');
}

/* Read the arrays of a fence from column @first on, in the order of the struct. */
static void parse_arrays(const PGresult *r, int row, int first, struct fence *out)
{
	int64_t *const arrays[] = {out->first_offset, out->next_offset, out->high_offset,
				   out->stored,	      out->duplicate,	out->dead_lettered,
				   out->gaps,	      out->reread};
	for (int i = 0; i < (int)ARRAY_LEN(arrays); i++)
		parse_array(PQgetvalue(r, row, first + i), arrays[i]);
}

static void format_array(const int64_t v[EVENT_KINDS], char out[ARRAY_TEXT_MAX])
{
	snprintf(out, ARRAY_TEXT_MAX, "{%" PRId64 ",%" PRId64 ",%" PRId64 "}", v[EVENT_CLICK],
		 v[EVENT_CONVERSION], v[EVENT_ADJUSTMENT]);
}

static enum err claim_once(struct pg *pg, const char *partition, const char *owner,
			   struct fence *out)
{
	const char *const params[] = {partition, owner};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_fence_claim, 2, params, &r);
	if (e != ERR_OK)
		return e;
	out->epoch = pg_int(r, 0, 0);
	out->version = pg_int(r, 0, 1);
	parse_array(PQgetvalue(r, 0, 2), out->next_offset);
	PQclear(r);
	return ERR_OK;
}

enum err fence_claim(struct pg *pg, int32_t partition, const char *owner, struct fence *out)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", partition);
	enum err e = claim_once(pg, text, owner, out);
	if (e != ERR_TIMEOUT)
		return e;
	log_warn(
		"postgres",
		"the former owner of a partition holds its fence, ending its backend| partition=%d",
		partition);
	const char *const params[] = {text};
	e = pg_run(pg, SQL_fence_evict, 1, params, NULL);
	return e == ERR_OK ? claim_once(pg, text, owner, out) : e;
}

enum err fence_adopt(struct pg *pg, int32_t partition, int64_t epoch)
{
	char texts[2][24];
	snprintf(texts[0], sizeof(texts[0]), "%d", partition);
	snprintf(texts[1], sizeof(texts[1]), "%" PRId64, epoch);
	const char *const params[] = {texts[0], texts[1]};
	return pg_run(pg, SQL_fence_adopt, 2, params, NULL);
}

void fence_lock(struct pg_steps *steps, int32_t partition, int64_t epoch)
{
	struct pg_step *step = pg_step_add(steps, SQL_fence_lock);
	pg_step_int(step, partition);
	pg_step_int(step, epoch);
}

enum err fence_locked(const struct pg_steps *steps, int64_t epoch, struct fence *out)
{
	const PGresult *r = pg_steps_result(steps, SQL_fence_lock);
	if (PQntuples(r) == 0)
		return ERR_FENCED;
	out->epoch = epoch;
	out->version = pg_int(r, 0, 0);
	parse_arrays(r, 0, 1, out);
	return ERR_OK;
}

void fence_advance(struct pg_steps *steps, int32_t partition, const struct fence *fence)
{
	const int64_t *const arrays[] = {fence->first_offset, fence->next_offset,
					 fence->high_offset,  fence->stored,
					 fence->duplicate,    fence->dead_lettered,
					 fence->gaps,	      fence->reread};
	struct pg_step *step = pg_step_add(steps, SQL_fence_advance);
	pg_step_int(step, partition);
	pg_step_int(step, fence->version);
	for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
		char text[ARRAY_TEXT_MAX];
		format_array(arrays[i], text);
		pg_step_text(step, text);
	}
}

enum err fence_read(struct pg *pg, int32_t partition, struct fence *out)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", partition);
	const char *const params[] = {text};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_fence_read, 1, params, &r);
	if (e != ERR_OK)
		return e;
	ASSERT(PQntuples(r) == 1);
	out->epoch = pg_int(r, 0, 0);
	out->version = pg_int(r, 0, 1);
	parse_array(PQgetvalue(r, 0, 2), out->next_offset);
	PQclear(r);
	return ERR_OK;
}

enum err fence_list(struct pg *pg, struct fence_row **out, int *n)
{
	PGresult *r;
	*out = NULL;
	*n = 0;
	const enum err e = pg_run(pg, SQL_replay_fences, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	*n = PQntuples(r);
	*out = xcalloc((size_t)*n + 1, sizeof(**out));
	for (int i = 0; i < *n; i++) {
		struct fence_row *row = &(*out)[i];
		row->partition = (int32_t)pg_int(r, i, 0);
		snprintf(row->owner, sizeof(row->owner), "%s", PQgetvalue(r, i, 1));
		row->fence.epoch = pg_int(r, i, 2);
		row->fence.version = pg_int(r, i, 3);
		parse_arrays(r, i, 4, &row->fence);
	}
	PQclear(r);
	return ERR_OK;
}

enum err fence_rewind(struct pg *pg, int32_t partition, const char *owner,
		      const int64_t target[EVENT_KINDS], struct fence *out)
{
	char number[16], offsets[EVENT_KINDS][24];
	const char *params[2 + EVENT_KINDS] = {number, owner};
	PGresult *r;
	snprintf(number, sizeof(number), "%d", partition);
	for (int k = 0; k < EVENT_KINDS; k++) {
		snprintf(offsets[k], sizeof(offsets[k]), "%" PRId64, target[k]);
		params[2 + k] = target[k] >= 0 ? offsets[k] : NULL;
	}
	const enum err e = pg_run(pg, SQL_replay_rewind, ARRAY_LEN(params), params, &r);
	if (e != ERR_OK)
		return e;
	const bool found = PQntuples(r) == 1;
	if (found) {
		out->epoch = pg_int(r, 0, 0);
		out->version = pg_int(r, 0, 1);
		parse_array(PQgetvalue(r, 0, 2), out->next_offset);
		parse_array(PQgetvalue(r, 0, 3), out->high_offset);
	}
	PQclear(r);
	return found ? ERR_OK : ERR_NOT_FOUND;
}

enum err fence_excess(struct pg *pg, int64_t out[EVENT_KINDS])
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_replay_excess, 0, NULL, &r);
	for (int k = 0; e == ERR_OK && k < EVENT_KINDS; k++)
		out[k] = pg_int(r, 0, k);
	PQclear(r);
	return e;
}
