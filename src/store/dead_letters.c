/*
 * Dead letters in pages.
 *
 * Runs on main. Pages follow one another by key, not by a cursor, so that letters may be resolved
 * while the selection is read, and no snapshot is held open meanwhile.
 */
#include "store/dead_letters.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/statement.h"
#include "util/arena.h"
#include "util/clock.h"

#define TIMEOUT_MS 60000
#define LOCK_TIMEOUT_MS 10000 /* of rows; for the lock of dead letters: */
#define LOCK_WAIT_NS (2 * NS_PER_S)
#define LOCK_RETRY_US 100000
#define FILTER_PARAMS 7

struct letters {
	const struct config *cfg;
	const struct letters_filter *filter;
	struct pg *pg;
	int32_t partitions;
	int64_t left;	    /* of the limit */
	char before[64];    /* see dead_letters_bound.sql */
	struct buf after;   /* the last letter seen, as an array; empty at the beginning */
	struct arena arena; /* the page's strings */
	struct letters_page page;
	char error[512];
};

struct letters *letters_new(const struct config *cfg, struct metrics *metrics,
			    const struct letters_filter *filter)
{
	const struct pg_options options = {
		.role = "dead-letters",
		.session = SQL_dead_letters_session,
		.timeout_ms = TIMEOUT_MS,
		.lock_timeout_ms = LOCK_TIMEOUT_MS,
	};
	struct letters *l = xcalloc(1, sizeof(*l));
	l->cfg = cfg;
	l->filter = filter;
	l->pg = pg_new(cfg, metrics, &options);
	letters_rewind(l);
	return l;
}

void letters_free(struct letters *l)
{
	if (l == NULL)
		return;
	pg_free(l->pg);
	buf_release(&l->after);
	arena_release(&l->arena);
	free(l);
}

const char *letters_error(const struct letters *l)
{
	return l->error;
}

int32_t letters_partitions(const struct letters *l)
{
	return l->partitions;
}

void letters_rewind(struct letters *l)
{
	buf_clear(&l->after);
	l->left = l->filter->limit >= 0 ? l->filter->limit : INT64_MAX;
}

/* Keep the sentence; always false. */
static bool fail(struct letters *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool fail(struct letters *l, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(l->error, sizeof(l->error), fmt, args);
	va_end(args);
	return false;
}

static bool done(struct letters *l, enum err e, const char *what)
{
	if (e == ERR_OK)
		return true;
	return fail(l, "%s failed: %s (%s)", what, pg_error(l->pg), err_text(e));
}

/* Only a schema of this program's version has what the statements need. */
static bool check_schema(struct letters *l)
{
	PGresult *r;
	const int wanted = migrations[migrations_count - 1].version;
	const enum err e = pg_run(l->pg, SQL_schema_version, 0, NULL, &r);
	if (e == ERR_FAILED)
		return fail(l,
			    "the database %s has no schema of ours: run `tyrattribution migrate`",
			    l->cfg->db_name);
	if (!done(l, e, "reading the schema's version"))
		return false;
	const int version = (int)pg_int(r, 0, 0);
	PQclear(r);
	return version == wanted ||
	       fail(l,
		    "the database's schema has version %d, this program needs %d: run "
		    "`tyrattribution migrate` of the newer one",
		    version, wanted);
}

static bool read_partitions(struct letters *l)
{
	PGresult *r;
	if (!done(l, pg_run(l->pg, SQL_deployment, 0, NULL, &r), "reading the deployment"))
		return false;
	const bool found = PQntuples(r) == 1;
	if (found)
		l->partitions = (int32_t)pg_int(r, 0, 0);
	PQclear(r);
	return found || fail(l, "the migration was not finished: run `tyrattribution migrate`");
}

static bool draw_line(struct letters *l)
{
	PGresult *r;
	const enum err e = pg_run(l->pg, SQL_dead_letters_bound, 1, &l->filter->before, &r);
	if (!done(l, e, "asking for the time"))
		return false;
	snprintf(l->before, sizeof(l->before), "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return true;
}

bool letters_begin(struct letters *l)
{
	if (pg_ready(l->pg) != ERR_OK)
		return fail(l,
			    "PostgreSQL at %s:%d cannot be reached: %s. Is it running, and are "
			    "DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD right?",
			    l->cfg->db_host, (int)l->cfg->db_port, pg_error(l->pg));
	return check_schema(l) && read_partitions(l) && draw_line(l);
}

/* A process that was killed a moment ago may still seem to hold the lock: ask for a while. */
bool letters_lock(struct letters *l)
{
	const uint64_t until = clock_mono_ns() + LOCK_WAIT_NS;
	for (;;) {
		PGresult *r;
		const enum err e = pg_run(l->pg, SQL_dead_letters_lock, 0, NULL, &r);
		if (!done(l, e, "taking the lock of dead letters"))
			return false;
		const bool taken = pg_int(r, 0, 0) == 1;
		PQclear(r);
		if (taken)
			return true;
		if (clock_mono_ns() > until)
			return fail(l, "another replay or drop of dead letters is running");
		usleep(LOCK_RETRY_US);
	}
}

/* The filter's parameters; @texts keeps those that have to be written. */
static void filter_params(const struct letters *l, char texts[3][256],
			  const char *params[FILTER_PARAMS])
{
	const struct letters_filter *f = l->filter;
	snprintf(texts[0], sizeof(texts[0]), "{%s}", f->reasons != NULL ? f->reasons : "");
	snprintf(texts[1], sizeof(texts[1]), "%d", f->partition);
	snprintf(texts[2], sizeof(texts[2]), "%" PRId64, f->offset);
	params[0] = f->reasons != NULL ? texts[0] : NULL;
	params[1] = f->topic;
	params[2] = f->partition >= 0 ? texts[1] : NULL;
	params[3] = f->offset >= 0 ? texts[2] : NULL;
	params[4] = f->from;
	params[5] = l->before;
	params[6] = f->state;
}

static const char *keep_text(struct letters *l, const PGresult *r, int row, int col)
{
	if (PQgetisnull(r, row, col))
		return NULL;
	return arena_strndup(&l->arena, PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
}

static const char *keep_bytes(struct letters *l, const PGresult *r, int row, int col, size_t *len)
{
	*len = 0;
	if (PQgetisnull(r, row, col))
		return NULL;
	unsigned char *bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(r, row, col), len);
	ASSERT(bytes != NULL);
	const char *kept = arena_strndup(&l->arena, (const char *)bytes, *len);
	PQfreemem(bytes);
	return kept;
}

static void read_letter(struct letters *l, const PGresult *r, int row, struct letter *out)
{
	out->topic = keep_text(l, r, row, 1);
	out->partition = (int32_t)pg_int(r, row, 2);
	out->offset = pg_int(r, row, 3);
	out->created_at = keep_text(l, r, row, 4);
	out->reason = keep_text(l, r, row, 5);
	out->detail = keep_text(l, r, row, 6);
	out->state = keep_text(l, r, row, 7);
	out->resolved_at = keep_text(l, r, row, 8);
	out->payload_bytes = PQgetisnull(r, row, 9) ? -1 : pg_int(r, row, 9);
	out->key = keep_bytes(l, r, row, 10, &out->key_len);
	out->payload = keep_bytes(l, r, row, 11, &out->payload_len);
}

/* An element of an array's text form, in quotes. */
static void add_element(struct buf *b, const char *text)
{
	buf_addc(b, b->len == 0 ? '{' : ',');
	buf_addc(b, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *text);
	}
	buf_addc(b, '"');
}

static void note_last(struct letters *l, const PGresult *r)
{
	buf_clear(&l->after);
	for (int col = 0; col < 4; col++)
		add_element(&l->after, PQgetvalue(r, PQntuples(r) - 1, col));
	buf_addc(&l->after, '}');
}

bool letters_next(struct letters *l, bool bodies, const struct letters_page **page)
{
	char texts[3][256], limit[24];
	const char *params[FILTER_PARAMS + 3];
	PGresult *r;
	arena_release(&l->arena); /* blocks of all sizes would add up if they were kept */
	l->page.n = 0;
	*page = &l->page;
	if (l->left == 0)
		return true;
	snprintf(limit, sizeof(limit), "%" PRId64, l->left < LETTERS_PAGE ? l->left : LETTERS_PAGE);
	filter_params(l, texts, params);
	params[7] = l->after.len > 0 ? l->after.data : NULL;
	params[8] = limit;
	params[9] = bodies ? "true" : "false";
	const enum err e = pg_run(l->pg, SQL_dead_letters_page, FILTER_PARAMS + 3, params, &r);
	if (!done(l, e, "reading dead letters"))
		return false;
	l->page.n = (uint32_t)PQntuples(r);
	l->left -= l->page.n;
	for (uint32_t i = 0; i < l->page.n; i++)
		read_letter(l, r, (int)i, &l->page.letters[i]);
	if (l->page.n > 0)
		note_last(l, r);
	PQclear(r);
	return true;
}

static void add_place(struct buf arrays[3], const struct letter *letter)
{
	char text[24];
	add_element(&arrays[0], letter->topic);
	snprintf(text, sizeof(text), "%d", letter->partition);
	add_element(&arrays[1], text);
	snprintf(text, sizeof(text), "%" PRId64, letter->offset);
	add_element(&arrays[2], text);
}

bool letters_resolve(struct letters *l, const struct letter *const *letters, uint32_t n,
		     const char *state)
{
	struct buf arrays[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
	if (n == 0)
		return true;
	for (uint32_t i = 0; i < n; i++)
		add_place(arrays, letters[i]);
	for (int i = 0; i < 3; i++)
		buf_addc(&arrays[i], '}');
	const char *const params[] = {arrays[0].data, arrays[1].data, arrays[2].data,
				      l->filter->state, state};
	const enum err e = pg_run(l->pg, SQL_dead_letters_resolve, 5, params, NULL);
	for (int i = 0; i < 3; i++)
		buf_release(&arrays[i]);
	return done(l, e, "marking dead letters");
}

bool letters_summarise(struct letters *l, letters_sum_fn *fn, void *context)
{
	char texts[3][256];
	const char *params[FILTER_PARAMS];
	PGresult *r;
	filter_params(l, texts, params);
	const enum err e = pg_run(l->pg, SQL_dead_letters_summary, FILTER_PARAMS, params, &r);
	if (!done(l, e, "counting dead letters"))
		return false;
	for (int i = 0; i < PQntuples(r); i++) {
		const struct letters_sum sum = {
			.reason = PQgetvalue(r, i, 0),
			.letters = pg_int(r, i, 1),
			.bytes = pg_int(r, i, 2),
			.oldest = PQgetvalue(r, i, 3),
			.newest = PQgetvalue(r, i, 4),
		};
		fn(context, &sum);
	}
	PQclear(r);
	return true;
}
