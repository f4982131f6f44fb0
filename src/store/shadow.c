/*
 * Shadow tables.
 *
 * Runs on main. Two connections: one whose tables are first the live ones and, for the second half
 * of the comparison, those of the shadow, since the marks of both lie in its temporary tables; and
 * one that only knows the shadow.
 */
#include "store/shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/journals.h"
#include "store/migrate.h"
#include "store/pending.h"
#include "store/statement.h"

#define WANTED_MAX 5000		       /* events looked for at a time */
#define STATEMENT_MS (6 * 3600 * 1000) /* a sum over all events may take long */
#define COMMENT "tyrattribution replay --into"

struct shadow {
	const struct config *cfg;
	const char *schema;
	struct pg *live; /* see above */
	struct pg *own;
	struct pg *last; /* the one used last */
};

struct shadow *shadow_new(const struct config *cfg, struct metrics *metrics, const char *schema)
{
	const struct pg_options live = {
		.role = "rebuild", .session = SQL_shadow_session, .timeout_ms = STATEMENT_MS};
	const struct pg_options own = {.role = "rebuild",
				       .session = SQL_journal_session,
				       .schema = schema,
				       .timeout_ms = STATEMENT_MS};
	struct shadow *s = xcalloc(1, sizeof(*s));
	s->cfg = cfg;
	s->schema = schema;
	s->live = s->last = pg_new(cfg, metrics, &live);
	s->own = pg_new(cfg, metrics, &own);
	return s;
}

void shadow_free(struct shadow *s)
{
	if (s == NULL)
		return;
	pg_free(s->live);
	pg_free(s->own);
	free(s);
}

const char *shadow_error(const struct shadow *s)
{
	return pg_error(s->last);
}

/* The connection for a piece of work, noted for shadow_error(). */
static struct pg *use(struct shadow *s, struct pg *pg)
{
	s->last = pg;
	return pg;
}

/* Run text in which $ is the schema. */
static enum err exec_schema(struct pg *pg, const char *format, const char *schema)
{
	struct buf text = BUF_INIT;
	for (const char *c = format; *c != '\0'; c++) {
		if (*c == '$')
			buf_adds(&text, schema);
		else
			buf_addc(&text, *c);
	}
	const enum err e = pg_exec(pg, text.data);
	buf_release(&text);
	return e;
}

enum err shadow_connect(struct shadow *s)
{
	return pg_ready(use(s, s->live));
}

enum err shadow_find(struct shadow *s, enum shadow_place *out)
{
	PGresult *r;
	const enum err e = pg_run(use(s, s->live), SQL_shadow_schema, 1, &s->schema, &r);
	if (e != ERR_OK)
		return e;
	const bool exists = *PQgetvalue(r, 0, 0) == 't', on_path = *PQgetvalue(r, 0, 2) == 't';
	const bool ours = strcmp(PQgetvalue(r, 0, 1), COMMENT) == 0;
	*out = on_path || (exists && !ours) ? SHADOW_FOREIGN : exists ? SHADOW_OLD : SHADOW_FREE;
	PQclear(r);
	return ERR_OK;
}

enum err shadow_check_version(struct shadow *s)
{
	PGresult *r;
	const enum err e = pg_run(use(s, s->live), SQL_schema_version, 0, NULL, &r);
	if (e != ERR_OK)
		return e == ERR_FAILED ? ERR_NOT_FOUND : e;
	const bool same = pg_int(r, 0, 0) == migrations[migrations_count - 1].version;
	PQclear(r);
	return same ? ERR_OK : ERR_NOT_FOUND;
}

enum err shadow_check_settled(struct shadow *s)
{
	enum pending_state state = PENDING_NONE;
	const enum err e = pending_look(use(s, s->live), &state);
	return e == ERR_OK && state == PENDING_FOLDING ? ERR_BUSY : e;
}

enum err shadow_live_fences(struct shadow *s, struct fence_row **out, int *n)
{
	return fence_list(use(s, s->live), out, n);
}

enum err shadow_create(struct shadow *s)
{
	enum err e =
		exec_schema(use(s, s->live),
			    "BEGIN; CREATE SCHEMA $; COMMENT ON SCHEMA $ IS '" COMMENT "'; COMMIT",
			    s->schema);
	if (e != ERR_OK) {
		pg_rollback(s->live);
		return e;
	}
	e = pg_ready(use(s, s->own));
	if (e == ERR_OK)
		migrate_tables(s->own);
	return e;
}

enum err shadow_drop(struct shadow *s)
{
	return exec_schema(use(s, s->live), "DROP SCHEMA $ CASCADE", s->schema);
}

static enum err read_state(struct shadow *s, struct shadow_snapshot *out)
{
	PGresult *r;
	enum err e = pg_run(s->live, SQL_shadow_state, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	out->listed_through = (int32_t)pg_int(r, 0, 0);
	out->closed_through = (int32_t)pg_int(r, 0, 1);
	out->waiting = pg_int(r, 0, 2);
	PQclear(r);
	e = pg_run(s->live, SQL_deployment, 0, NULL, &r);
	if (e == ERR_OK)
		out->partitions = (int32_t)pg_int(r, 0, 0);
	PQclear(r);
	return e;
}

static enum err mark(struct shadow *s, bool is_shadow)
{
	const char *const params[] = {is_shadow ? "true" : "false"};
	return pg_run(s->live, SQL_shadow_marks, 1, params, NULL);
}

enum err shadow_snapshot(struct shadow *s, struct shadow_snapshot *out)
{
	*out = (struct shadow_snapshot){0};
	enum err e = pg_exec(use(s, s->live), "BEGIN ISOLATION LEVEL REPEATABLE READ");
	if (e == ERR_OK)
		e = fence_list(s->live, &out->fences, &out->n_fences);
	if (e == ERR_OK)
		e = pg_run(s->live, SQL_shadow_dirty, 0, NULL, NULL);
	if (e == ERR_OK)
		e = read_state(s, out);
	if (e == ERR_OK)
		e = letters_read(s->live, s->cfg, out->partitions, &out->letters, &out->n_letters);
	if (e == ERR_OK)
		e = exec_schema(s->live,
				"INSERT INTO $.campaigns SELECT * FROM campaigns;"
				"INSERT INTO $.attribution_windows SELECT * FROM "
				"attribution_windows;"
				"INSERT INTO $.attribution_models SELECT * FROM attribution_models;"
				"INSERT INTO $.deployment SELECT * FROM deployment",
				s->schema);
	if (e == ERR_OK)
		e = mark(s, false);
	if (e == ERR_OK)
		e = pg_commit(s->live);
	if (e != ERR_OK)
		pg_rollback(s->live);
	return e;
}

void shadow_snapshot_release(struct shadow_snapshot *snapshot)
{
	free(snapshot->fences);
	free(snapshot->letters);
	*snapshot = (struct shadow_snapshot){0};
}

enum err shadow_claim(struct shadow *s, int32_t partition, int64_t *epoch)
{
	struct fence fence;
	enum err e = pg_ready(use(s, s->own));
	if (e == ERR_OK)
		e = fence_claim(s->own, partition, "rebuild", &fence);
	if (e == ERR_OK)
		*epoch = fence.epoch;
	return e;
}

enum err shadow_deferred(struct shadow *s, int32_t partition, letter_record_fn *fn, void *context)
{
	const enum err e = pg_ready(use(s, s->own));
	return e == ERR_OK ? letters_take_back(s->own, s->cfg, partition, fn, context) : e;
}

enum err shadow_settle(struct shadow *s, int32_t partition)
{
	return letters_settle(use(s, s->own), partition);
}

enum err shadow_journals(struct shadow *s, const struct shadow_snapshot *snapshot)
{
	PGresult *r;
	int64_t written;
	char texts[2][16];
	snprintf(texts[0], sizeof(texts[0]), "%d", snapshot->listed_through);
	snprintf(texts[1], sizeof(texts[1]), "%d", snapshot->closed_through);
	const char *const closed[] = {texts[0], texts[1]};
	enum err e = pg_ready(use(s, s->own));
	if (e == ERR_OK)
		e = pg_run(s->own, SQL_shadow_months, 1, &closed[1], &r);
	if (e != ERR_OK)
		return e;
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++)
		e = journals_write(s->own, (int32_t)pg_int(r, i, 0), (int32_t)pg_int(r, i, 1),
				   &written);
	PQclear(r);
	return e == ERR_OK ? pg_run(s->own, SQL_shadow_close, 2, closed, NULL) : e;
}

enum err shadow_compare(struct shadow *s, shadow_result_fn *fn, void *context)
{
	PGresult *r;
	enum err e = exec_schema(use(s, s->live), "SET search_path = $", s->schema);
	if (e == ERR_OK)
		e = mark(s, true);
	if (e == ERR_OK)
		e = pg_exec(s->live, "RESET search_path");
	if (e == ERR_OK)
		e = pg_run(s->live, SQL_shadow_compare, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(r); i++) {
		const struct shadow_result result = {
			.table = PQgetvalue(r, i, 0),
			.live = pg_int(r, i, 1),
			.rebuilt = pg_int(r, i, 2),
			.differing = pg_int(r, i, 3),
			.details = PQgetvalue(r, i, 4),
		};
		fn(context, &result);
	}
	PQclear(r);
	return ERR_OK;
}
