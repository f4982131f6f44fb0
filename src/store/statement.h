/*
 * Running the embedded statements on a connection: parameters as text, results as libpq's, COPY.
 *
 * Overview: a result is freed (PQclear) in the function that asked; it never leaves src/store, and
 * neither does this header, which is where libpq is included. Usage: pg_run(pg, SQL_versions, 0,
 * NULL, &result). Threads: the one that uses the connection.
 */
#ifndef STORE_STATEMENT_H
#define STORE_STATEMENT_H

#include <libpq-fe.h>

#include "domain/rules.h"
#include "store/pg.h"
#include "util/buf.h"

#define PG_PARAMS_MAX 12
#define PG_STEPS_MAX 8
#define PG_SHORT_MAX 72

/**
 * Run a statement with @n text parameters. On ERR_OK the result is the caller's (PQclear); @result
 * may be NULL. ERR_DOWN: the connection is gone. ERR_RETRY: deadlock or serialization. ERR_TIMEOUT:
 * lock or statement timeout. ERR_REFUSED: the data will never be taken. ERR_FAILED: anything else.
 * The last two are logged.
 */
enum err pg_run(struct pg *pg, enum sql sql, int n, const char *const *params,
		PGresult **result) MUST_CHECK;

/** As pg_run for one parameter that may be bytes: @formats[i] 1 means binary of @lengths[i]. */
enum err pg_run_binary(struct pg *pg, enum sql sql, int n, const char *const *params,
		       const int *lengths, const int *formats, PGresult **result) MUST_CHECK;

/** As pg_run, but all columns of the result are PostgreSQL's binary form. */
enum err pg_run_to_binary(struct pg *pg, enum sql sql, int n, const char *const *params,
			  PGresult **result) MUST_CHECK;

/* A statement to be sent together with others. */
struct pg_step {
	enum sql sql;
	int n;
	const char *params[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	int formats[PG_PARAMS_MAX];
	char short_texts[PG_PARAMS_MAX][PG_SHORT_MAX]; /* behind some params */
	PGresult *result; /* NULL until it has run, or where that failed */
};

struct pg_steps {
	struct pg_step of[PG_STEPS_MAX];
	int n;
};

/** Add a statement; its parameters follow, in order. */
struct pg_step *pg_step_add(struct pg_steps *steps, enum sql sql);

/** A parameter: a number, text of less than PG_SHORT_MAX bytes, or bytes of PostgreSQL's binary
 * form, which are borrowed until pg_run_steps. */
void pg_step_int(struct pg_step *step, int64_t v);
void pg_step_text(struct pg_step *step, const char *text);
void pg_step_bytes(struct pg_step *step, const struct buf *bytes);

/**
 * Send all the statements at once, then take their results, which belong to the steps
 * (pg_steps_clear). The first that fails ends the rest and says what is answered, as pg_run.
 */
enum err pg_run_steps(struct pg *pg, struct pg_steps *steps) MUST_CHECK;

/** The result of the step that runs @sql; NULL: there is none. Borrowed. */
const PGresult *pg_steps_result(const struct pg_steps *steps, enum sql sql);

/** Free the results; no steps are left. */
void pg_steps_clear(struct pg_steps *steps);

/** Run a COPY ... FROM STDIN (FORMAT binary) statement with @rows, whose header and trailer are
 * added here. @copied: how many it stored; NULL: not asked for. */
enum err pg_copy_in(struct pg *pg, enum sql sql, const struct buf *rows,
		    int64_t *copied) MUST_CHECK;

/** Integer at row, column of a text result. */
int64_t pg_int(const PGresult *r, int row, int col);

/** The same; @otherwise for NULL. */
int64_t pg_int_or(const PGresult *r, int row, int col, int64_t otherwise);

/** A uuid; anything else is a bug. */
struct uuid pg_uuid(const PGresult *r, int row, int col);

/** A uuid; nil for NULL and for what is none. */
struct uuid pg_uuid_or_nil(const PGresult *r, int row, int col);

/** Borrowed from the result; empty for NULL. */
struct text pg_text(const PGresult *r, int row, int col);

#endif
