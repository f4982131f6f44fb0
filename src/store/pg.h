/*
 * A PostgreSQL connection that belongs to one thread: options, connecting, transactions.
 *
 * Overview: every statement is a file in schema/queries, embedded by the build (queries.h) and
 * prepared on first use (store/statement.h). Nothing blocks longer than the deadline in the
 * options: a server that does not answer by then counts as down, and the connection is dropped.
 * Usage: pg_new(), pg_ready() before work, pg_free(). Statements are run by the modules of
 * src/store. Threads: one thread at a time uses a connection.
 */
#ifndef STORE_PG_H
#define STORE_PG_H

#include "queries.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct pg;

struct pg_options {
	const char *role;    /* "writer-0": part of application_name; borrowed for pg_new, copied */
	enum sql session;    /* run after each connect; SQL_NONE: nothing */
	enum sql more;	     /* run after that; SQL_NONE: nothing */
	const char *schema;  /* where tables are found; NULL: the server's search_path; borrowed */
	uint64_t timeout_ms; /* deadline of a statement */
	int64_t lock_timeout_ms;      /* 0: no limit */
	int64_t statement_timeout_ms; /* 0: no limit */
	bool quiet_refusals;	      /* the caller says what became of ERR_REFUSED */
	struct mailbox
		*mailbox; /* of the actor that calls: a statement counts as a beat; or NULL */
};

/** @cfg and @metrics are borrowed. Does not connect yet. */
struct pg *pg_new(const struct config *cfg, struct metrics *metrics,
		  const struct pg_options *options) MUST_CHECK;

/** Close and free; NULL is fine. */
void pg_free(struct pg *pg);

/**
 * Connect if there is no connection. After a failure the next attempts answer ERR_DOWN at once
 * until a back-off of 50 ms to 1 s has passed.
 */
enum err pg_ready(struct pg *pg) MUST_CHECK;

/** Run text without parameters, several statements allowed (BEGIN, migrations). */
enum err pg_exec(struct pg *pg, const char *text) MUST_CHECK;

/** COMMIT. ERR_UNKNOWN when the connection was lost before the answer came. */
enum err pg_commit(struct pg *pg) MUST_CHECK;

/** Roll back what is open; drops the connection if that fails. */
void pg_rollback(struct pg *pg);

/** The last server or connection error, one line of UTF-8, for logs. */
const char *pg_error(const struct pg *pg);

/** The SQLSTATE of the last server error. */
const char *pg_sqlstate(const struct pg *pg);

/** The socket, for waiting until the server has something to say (a notification, its end); -1
 * while there is no connection. */
int pg_fd(const struct pg *pg);

/** Take the notifications that have come; how many. A connection that has ended is dropped. */
unsigned pg_notified(struct pg *pg);

/** How many connections were made: another number means another backend. */
uint64_t pg_sessions(const struct pg *pg);

#endif
