/*
 * Traces from PostgreSQL.
 *
 * Runs on the query actors. One snapshot answers all of a trace.
 */
#include "store/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain/topic.h"
#include "store/statement.h"

#define NUMBER_MAX 24
#define LETTER EVENT_KINDS /* the kind that is no event's */

/* The columns of trace_events.sql. */
enum {
	KIND,
	PARTITION,
	OFFSET,
	WRITTEN,
	TIME,
	USER,
	ACCEPTED,
	ATTRIBUTED,
	LAST_ID,
	LAST_TIME,
	TOPIC,
	REASON,
	DETAIL,
	STATE,
};

/* The columns of trace_credited.sql. */
enum { LOOKED, CREDITED_FOUND, CREDITED_ID, CREDITED_TIME };

static const char *keep(struct arena *a, const char *text)
{
	return arena_strndup(a, text, strlen(text));
}

static void read_place(const PGresult *r, int row, struct traced *out)
{
	out->partition = (int32_t)pg_int(r, row, PARTITION);
	out->offset = pg_int_or(r, row, OFFSET, -1);
	out->written_ms = pg_int(r, row, WRITTEN);
}

static void read_letter(struct arena *a, const PGresult *r, int row, struct traced *out)
{
	read_place(r, row, out);
	out->topic = keep(a, PQgetvalue(r, row, TOPIC));
	out->reason = keep(a, PQgetvalue(r, row, REASON));
	out->detail = keep(a, PQgetvalue(r, row, DETAIL));
	out->state = keep(a, PQgetvalue(r, row, STATE));
}

static void read_stored(const PGresult *r, int row, struct traced *out)
{
	read_place(r, row, out);
	out->kind = (enum event_kind)pg_int(r, row, KIND);
	out->time_ms = pg_int(r, row, TIME);
	out->user_id = pg_uuid(r, row, USER);
	out->accepted_ms = pg_int_or(r, row, ACCEPTED, 0);
	out->attributed_ms = pg_int_or(r, row, ATTRIBUTED, 0);
	if (out->kind == EVENT_ADJUSTMENT) {
		out->conversion_id = pg_uuid(r, row, LAST_ID);
		return;
	}
	out->is_attributed = !PQgetisnull(r, row, LAST_ID);
	if (out->is_attributed)
		out->last_click = (struct trace_key){pg_uuid(r, row, LAST_ID),
						     pg_int_or(r, row, LAST_TIME, 0)};
}

/* No more than TRACE_EVENTS_MAX of a kind; one more was asked for, to know whether there are. */
static void read_rows(const struct config *cfg, struct trace *t, const PGresult *r)
{
	int of_kind[LETTER + 1] = {0};
	for (int row = 0; row < PQntuples(r); row++) {
		const int64_t kind = pg_int(r, row, KIND);
		ASSERT(kind >= 0 && kind <= LETTER);
		if (of_kind[kind]++ == TRACE_EVENTS_MAX) {
			t->more = true;
			continue;
		}
		struct traced *it = trace_add(t);
		if (kind == LETTER) {
			read_letter(&t->arena, r, row, it);
		} else {
			read_stored(r, row, it);
			it->topic = keep(&t->arena, topic_name(cfg, it->kind));
		}
	}
}

static enum err read_events(struct pg *pg, const struct config *cfg, struct trace *t)
{
	char id[UUID_TEXT_LEN + 1], most[NUMBER_MAX];
	const char *const params[] = {id, most};
	PGresult *r;
	uuid_format(&t->id, id);
	snprintf(most, sizeof(most), "%d", TRACE_EVENTS_MAX + 1);
	const enum err e = pg_run(pg, SQL_trace_events, 2, params, &r);
	if (e == ERR_OK)
		read_rows(cfg, t, r);
	PQclear(r);
	return e;
}

/* The conversions that credit a click. */
static enum err read_credited(struct pg *pg, struct trace *t, struct traced *it)
{
	char user[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
	char time[NUMBER_MAX], look[NUMBER_MAX], name[NUMBER_MAX];
	const char *const params[] = {user, id, time, look, name};
	PGresult *r;
	uuid_format(&it->user_id, user);
	uuid_format(&t->id, id);
	snprintf(time, sizeof(time), "%" PRId64, it->time_ms);
	snprintf(look, sizeof(look), "%d", TRACE_LOOKED_MAX);
	snprintf(name, sizeof(name), "%d", TRACE_CREDITED_MAX);
	const enum err e = pg_run(pg, SQL_trace_credited, 5, params, &r);
	if (e != ERR_OK)
		return e;
	it->looked_at_all = pg_int(r, 0, LOOKED) < TRACE_LOOKED_MAX;
	it->credited_found = pg_int(r, 0, CREDITED_FOUND);
	it->credited = arena_alloc(&t->arena, (size_t)PQntuples(r) * sizeof(*it->credited));
	for (int row = 0; row < PQntuples(r) && !PQgetisnull(r, row, CREDITED_ID); row++)
		it->credited[it->n_credited++] = (struct trace_key){pg_uuid(r, row, CREDITED_ID),
								    pg_int(r, row, CREDITED_TIME)};
	PQclear(r);
	return ERR_OK;
}

static enum err read_all(struct pg *pg, const struct config *cfg, struct trace *t)
{
	enum err e = read_events(pg, cfg, t);
	for (uint32_t i = 0; e == ERR_OK && i < t->n; i++) {
		if (t->items[i].reason == NULL && t->items[i].kind == EVENT_CLICK)
			e = read_credited(pg, t, &t->items[i]);
	}
	return e;
}

enum err trace_answer(struct pg *pg, const struct config *cfg, struct trace *t)
{
	enum err e = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	if (e == ERR_OK)
		e = read_all(pg, cfg, t);
	if (e == ERR_OK)
		e = pg_exec(pg, "COMMIT");
	if (e == ERR_OK)
		t->status = t->n > 0 ? TRACE_OK : TRACE_UNKNOWN;
	else
		pg_rollback(pg);
	return e;
}
