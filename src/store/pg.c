/*
 * libpq without blocking calls: send, wait for the socket with a deadline, take the results.
 *
 * Runs on the thread that owns the connection. libpq's blocking calls would wait for ever on a
 * server that is stopped but whose kernel still acknowledges, so every wait here is poll(2) with
 * the statement's deadline; a connection whose deadline passed is closed, since what it would still
 * answer can no longer be told apart.
 */
#include "store/pg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/statement.h"
#include "util/clock.h"
#include "util/log.h"

#define CONNECT_TIMEOUT_MS 5000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define COPY_CHUNK 65536

struct pg {
	/* set at start, then read-only */
	const struct config *cfg;
	struct metrics *metrics;
	struct pg_options options;
	char *application_name;

	/* owned by the thread that uses the connection */
	PGconn *conn; /* NULL while down */
	bool prepared[SQL_COUNT];
	uint64_t retry_at_ns; /* no new attempt before */
	uint64_t backoff_ms;
	uint64_t sessions; /* connections made */
	char error[256];
	char sqlstate[6];
};

static void pg_drop(struct pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
}

struct pg *pg_new(const struct config *cfg, struct metrics *metrics,
		  const struct pg_options *options)
{
	struct pg *pg = xcalloc(1, sizeof(*pg));
	pg->cfg = cfg;
	pg->metrics = metrics;
	pg->options = *options;
	pg->application_name = xasprintf("tyrattribution %s", options->role);
	pg->backoff_ms = BACKOFF_MIN_MS;
	return pg;
}

void pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	pg_drop(pg);
	free(pg->application_name);
	free(pg);
}

const char *pg_error(const struct pg *pg)
{
	return pg->error;
}

const char *pg_sqlstate(const struct pg *pg)
{
	return pg->sqlstate;
}

uint64_t pg_sessions(const struct pg *pg)
{
	return pg->sessions;
}

int pg_fd(const struct pg *pg)
{
	return pg->conn != NULL ? PQsocket(pg->conn) : -1;
}

/* Keep the first line of @text as the error, fit to stand between quotes in a log line; cut between
 * two characters of UTF-8. */
static void note_error(struct pg *pg, const char *text)
{
	size_t len = strcspn(text, "\n");
	if (len >= sizeof(pg->error)) {
		len = sizeof(pg->error) - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	snprintf(pg->error, sizeof(pg->error), "%.*s", (int)len, text);
	for (char *c = pg->error; *c != '\0'; c++) {
		if (*c == '"')
			*c = '\'';
	}
	metrics_add(pg->metrics, M_POSTGRES_ERRORS, 1);
}

/* Wait until the socket is readable (or writable). False when the deadline passed. */
static bool wait_socket(const struct pg *pg, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = PQsocket(pg->conn), .events = events};
	for (;;) {
		const uint64_t now = clock_mono_ns();
		if (now >= deadline_ns)
			return false;
		const int n = poll(&pfd, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

unsigned pg_notified(struct pg *pg)
{
	unsigned n = 0;
	PGnotify *notify;
	if (pg->conn == NULL)
		return 0;
	if (PQconsumeInput(pg->conn) != 1) {
		note_error(pg, PQerrorMessage(pg->conn));
		pg_drop(pg);
		return 0;
	}
	while ((notify = PQnotifies(pg->conn)) != NULL) {
		PQfreemem(notify);
		n++;
	}
	return n;
}

/* Push out what libpq has buffered. */
static bool flush(struct pg *pg, uint64_t deadline_ns)
{
	for (;;) {
		const int left = PQflush(pg->conn);
		if (left <= 0)
			return left == 0;
		if (!wait_socket(pg, POLLIN | POLLOUT, deadline_ns))
			return false;
		if (PQconsumeInput(pg->conn) != 1)
			return false;
	}
}

/* The next result, NULL at the end of a statement's results or when the connection failed (*lost).
 */
static PGresult *next_result(struct pg *pg, uint64_t deadline_ns, bool *lost)
{
	while (PQisBusy(pg->conn)) {
		if (!wait_socket(pg, POLLIN, deadline_ns)) {
			note_error(pg, "no answer before the deadline");
			*lost = true;
			return NULL;
		}
		if (PQconsumeInput(pg->conn) != 1) {
			note_error(pg, PQerrorMessage(pg->conn));
			*lost = true;
			return NULL;
		}
	}
	return PQgetResult(pg->conn);
}

/* What an SQLSTATE means for whoever ran the statement; the first prefix that fits. A class that
 * PostgreSQL does not know was raised by somebody's trigger, about a row. */
static enum err classify(const char *sqlstate)
{
	static const struct {
		const char *prefixes; /* each followed by a space */
		enum err meaning;
	} table[] = {
		{"40 ", ERR_RETRY},	       /* serialization failure, deadlock */
		{"55P03 57014 ", ERR_TIMEOUT}, /* lock not available, query cancelled */
		{"08 53 57P ", ERR_DOWN},      /* connection, out of resources, going down */
		/* Data exception, a constraint, a trigger's own error, a limit of the program. */
		{"21 22 23 27 38 44 54 P0 ", ERR_REFUSED},
		/* What PostgreSQL has besides is about the statement, the rights or the server. */
		{"00 01 02 03 09 0A 0B 0F 0L 0P 0Z 20 24 25 26 28 2B 2D 2F 34 39 3B 3D 3F 42 55 57 "
		 "58 72 F0 HV XX ",
		 ERR_FAILED},
	};
	if (sqlstate[0] == '\0')
		return ERR_DOWN;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		for (const char *p = table[i].prefixes; *p != '\0'; p = strchr(p, ' ') + 1) {
			if (strncmp(sqlstate, p, strcspn(p, " ")) == 0)
				return table[i].meaning;
		}
	}
	return ERR_REFUSED;
}

/* Is this an error that the one who asked has not heard of in full? */
static bool must_log(const struct pg *pg, enum err e)
{
	return e == ERR_FAILED || (e == ERR_REFUSED && !pg->options.quiet_refusals);
}

/* Judge a result that is neither rows nor a completed command. */
static enum err failed_result(struct pg *pg, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	snprintf(pg->sqlstate, sizeof(pg->sqlstate), "%s", state != NULL ? state : "");
	note_error(pg, message != NULL ? message : PQresultErrorMessage(r));
	return classify(pg->sqlstate);
}

/* Take every result of what was sent; the first goes to *out. A lost connection is dropped. */
static enum err take_results(struct pg *pg, uint64_t deadline_ns, PGresult **out)
{
	enum err e = ERR_OK;
	bool lost = false;
	PGresult *r;
	*out = NULL;
	while ((r = next_result(pg, deadline_ns, &lost)) != NULL) {
		const ExecStatusType status = PQresultStatus(r);
		if (status == PGRES_COPY_IN) {
			*out = r;
			return ERR_OK;
		}
		if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && e == ERR_OK)
			e = failed_result(pg, r);
		if (*out == NULL && e == ERR_OK)
			*out = r;
		else
			PQclear(r);
	}
	if (lost || PQstatus(pg->conn) != CONNECTION_OK) {
		pg_drop(pg);
		e = ERR_DOWN;
	}
	if (e != ERR_OK) {
		PQclear(*out);
		*out = NULL;
	}
	return e;
}

/* A statement begins: by when it must have ended. */
static uint64_t deadline(const struct pg *pg)
{
	if (pg->options.mailbox != NULL)
		mailbox_beat(pg->options.mailbox);
	return clock_mono_ns() + pg->options.timeout_ms * NS_PER_MS;
}

/* The send itself failed: the connection is of no use. */
static enum err send_failed(struct pg *pg)
{
	note_error(pg, PQerrorMessage(pg->conn));
	pg_drop(pg);
	return ERR_DOWN;
}

enum err pg_exec(struct pg *pg, const char *text)
{
	if (pg->conn == NULL)
		return ERR_DOWN;
	const uint64_t until = deadline(pg);
	if (PQsendQuery(pg->conn, text) != 1 || !flush(pg, until))
		return send_failed(pg);
	PGresult *r;
	const enum err e = take_results(pg, until, &r);
	PQclear(r);
	if (must_log(pg, e))
		log_error("postgres", "statement refused| sqlstate=%s error=\"%s\"", pg->sqlstate,
			  pg->error);
	return e;
}

static enum err prepare(struct pg *pg, enum sql sql)
{
	const uint64_t until = deadline(pg);
	if (PQsendPrepare(pg->conn, sql_name(sql), sql_text(sql), 0, NULL) != 1 ||
	    !flush(pg, until))
		return send_failed(pg);
	PGresult *r;
	const enum err e = take_results(pg, until, &r);
	PQclear(r);
	pg->prepared[sql] = e == ERR_OK;
	return e;
}

static enum err run(struct pg *pg, enum sql sql, int n, const char *const *params,
		    const int *lengths, const int *formats, bool binary, PGresult **result)
{
	ASSERT(n <= PG_PARAMS_MAX);
	if (result != NULL)
		*result = NULL;
	if (pg->conn == NULL)
		return ERR_DOWN;
	enum err e = pg->prepared[sql] ? ERR_OK : prepare(pg, sql);
	PGresult *r = NULL;
	if (e == ERR_OK) {
		const uint64_t until = deadline(pg);
		if (PQsendQueryPrepared(pg->conn, sql_name(sql), n, params, lengths, formats,
					binary ? 1 : 0) != 1 ||
		    !flush(pg, until))
			return send_failed(pg);
		e = take_results(pg, until, &r);
	}
	if (must_log(pg, e))
		log_error("postgres", "statement refused| statement=%s sqlstate=%s error=\"%s\"",
			  sql_name(sql), pg->sqlstate, pg->error);
	if (e == ERR_OK && result != NULL)
		*result = r;
	else
		PQclear(r);
	return e;
}

enum err pg_run(struct pg *pg, enum sql sql, int n, const char *const *params, PGresult **result)
{
	return run(pg, sql, n, params, NULL, NULL, false, result);
}

enum err pg_run_binary(struct pg *pg, enum sql sql, int n, const char *const *params,
		       const int *lengths, const int *formats, PGresult **result)
{
	return run(pg, sql, n, params, lengths, formats, false, result);
}

enum err pg_run_to_binary(struct pg *pg, enum sql sql, int n, const char *const *params,
			  PGresult **result)
{
	return run(pg, sql, n, params, NULL, NULL, true, result);
}

/* --- several statements at once --- */

struct pg_step *pg_step_add(struct pg_steps *steps, enum sql sql)
{
	ASSERT(steps->n < PG_STEPS_MAX);
	struct pg_step *step = &steps->of[steps->n++];
	step->sql = sql;
	step->n = 0;
	step->result = NULL;
	return step;
}

static void add_param(struct pg_step *step, const char *data, size_t len, bool is_binary)
{
	ASSERT(step->n < PG_PARAMS_MAX);
	step->params[step->n] = data;
	step->lengths[step->n] = (int)len;
	step->formats[step->n] = is_binary ? 1 : 0;
	step->n++;
}

void pg_step_text(struct pg_step *step, const char *text)
{
	char *copy = step->short_texts[step->n];
	ASSERT(strlen(text) < PG_SHORT_MAX);
	snprintf(copy, PG_SHORT_MAX, "%s", text);
	add_param(step, copy, 0, false);
}

void pg_step_int(struct pg_step *step, int64_t v)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)v);
	pg_step_text(step, text);
}

void pg_step_bytes(struct pg_step *step, const struct buf *bytes)
{
	add_param(step, bytes->data, bytes->len, true);
}

const PGresult *pg_steps_result(const struct pg_steps *steps, enum sql sql)
{
	for (int i = 0; i < steps->n; i++) {
		if (steps->of[i].sql == sql)
			return steps->of[i].result;
	}
	return NULL;
}

void pg_steps_clear(struct pg_steps *steps)
{
	for (int i = 0; i < steps->n; i++)
		PQclear(steps->of[i].result);
	steps->n = 0;
}

/* Queue a statement, and before it its preparation where that is needed (*@prepares). */
static bool send_step(struct pg *pg, const struct pg_step *s, bool *prepares)
{
	const char *name = sql_name(s->sql);
	*prepares = !pg->prepared[s->sql];
	if (*prepares && PQsendPrepare(pg->conn, name, sql_text(s->sql), 0, NULL) != 1)
		return false;
	return PQsendQueryPrepared(pg->conn, name, s->n, s->params, s->lengths, s->formats, 0) == 1;
}

/* Take the results of one thing that was sent, the first into *@out; *@e keeps the first error. */
static bool take_step(struct pg *pg, uint64_t until, enum err *e, PGresult **out)
{
	bool lost = false;
	PGresult *r;
	*out = NULL;
	while ((r = next_result(pg, until, &lost)) != NULL) {
		const ExecStatusType status = PQresultStatus(r);
		if (*e == ERR_OK && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
			*e = failed_result(pg, r);
		if (*out == NULL && *e == ERR_OK)
			*out = r;
		else
			PQclear(r);
	}
	return !lost && PQstatus(pg->conn) == CONNECTION_OK;
}

static bool take_steps(struct pg *pg, struct pg_steps *steps, const bool *prepares, uint64_t until,
		       enum err *e)
{
	PGresult *r;
	bool lost = false;
	for (int i = 0; i < steps->n; i++) {
		struct pg_step *s = &steps->of[i];
		const bool was_fine = *e == ERR_OK;
		if (prepares[i]) {
			if (!take_step(pg, until, e, &r))
				return false;
			PQclear(r);
			pg->prepared[s->sql] = *e == ERR_OK;
		}
		if (!take_step(pg, until, e, &s->result))
			return false;
		if (was_fine && must_log(pg, *e))
			log_error("postgres",
				  "statement refused| statement=%s sqlstate=%s error=\"%s\"",
				  sql_name(s->sql), pg->sqlstate, pg->error);
	}
	r = next_result(pg, until, &lost); /* of the end of the pipeline */
	PQclear(r);
	return !lost && PQexitPipelineMode(pg->conn) == 1;
}

enum err pg_run_steps(struct pg *pg, struct pg_steps *steps)
{
	bool prepares[PG_STEPS_MAX];
	const uint64_t until = deadline(pg);
	enum err e = ERR_OK;
	if (pg->conn == NULL)
		return ERR_DOWN;
	if (PQenterPipelineMode(pg->conn) != 1)
		return send_failed(pg);
	for (int i = 0; i < steps->n; i++) {
		if (!send_step(pg, &steps->of[i], &prepares[i]))
			return send_failed(pg);
	}
	if (PQpipelineSync(pg->conn) != 1 || !flush(pg, until))
		return send_failed(pg);
	if (!take_steps(pg, steps, prepares, until, &e)) {
		pg_drop(pg);
		return ERR_DOWN;
	}
	return e;
}

enum err pg_commit(struct pg *pg)
{
	const enum err e = pg_exec(pg, "COMMIT");
	return e == ERR_DOWN ? ERR_UNKNOWN : e;
}

void pg_rollback(struct pg *pg)
{
	if (pg->conn != NULL && PQtransactionStatus(pg->conn) != PQTRANS_IDLE &&
	    pg_exec(pg, "ROLLBACK") != ERR_OK)
		pg_drop(pg);
}

/* Send one piece of COPY data, waiting for room. */
static bool put_copy(struct pg *pg, const char *data, size_t len, uint64_t until)
{
	for (;;) {
		const int sent = PQputCopyData(pg->conn, data, (int)len);
		if (sent < 0)
			return false;
		if (sent == 1)
			return flush(pg, until);
		if (!wait_socket(pg, POLLOUT, until))
			return false;
	}
}

static bool put_rows(struct pg *pg, const struct buf *rows, uint64_t until)
{
	static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* 11 + 4 + 4 bytes */
	static const char trailer[] = "\377\377";
	if (!put_copy(pg, header, 19, until))
		return false;
	for (size_t at = 0; at < rows->len; at += COPY_CHUNK) {
		const size_t len = rows->len - at < COPY_CHUNK ? rows->len - at : COPY_CHUNK;
		if (!put_copy(pg, rows->data + at, len, until))
			return false;
	}
	return put_copy(pg, trailer, 2, until) && PQputCopyEnd(pg->conn, NULL) == 1 &&
	       flush(pg, until);
}

enum err pg_copy_in(struct pg *pg, enum sql sql, const struct buf *rows, int64_t *copied)
{
	if (pg->conn == NULL)
		return ERR_DOWN;
	const uint64_t until = deadline(pg);
	if (PQsendQuery(pg->conn, sql_text(sql)) != 1 || !flush(pg, until))
		return send_failed(pg);
	PGresult *r;
	enum err e = take_results(pg, until, &r);
	PQclear(r);
	if (e == ERR_OK) {
		if (!put_rows(pg, rows, until))
			return send_failed(pg);
		e = take_results(pg, until, &r);
		if (e == ERR_OK && copied != NULL)
			*copied = strtoll(PQcmdTuples(r), NULL, 10);
		PQclear(r);
	}
	if (must_log(pg, e))
		log_error("postgres", "copy refused| statement=%s sqlstate=%s error=\"%s\"",
			  sql_name(sql), pg->sqlstate, pg->error);
	return e;
}

/* Begin connecting with the options as libpq words. */
static PGconn *start_connect(const struct pg *pg)
{
	const char *schema = pg->options.schema;
	char port[8], options[192];
	snprintf(port, sizeof(port), "%d", (int)pg->cfg->db_port);
	snprintf(options, sizeof(options), "%s%s%s",
		 "-c TimeZone=UTC -c client_min_messages=warning",
		 schema != NULL ? " -c search_path=" : "", schema != NULL ? schema : "");
	const char *const words[] = {"host",
				     "port",
				     "dbname",
				     "user",
				     "password",
				     "sslmode",
				     "application_name",
				     "options",
				     "tcp_user_timeout",
				     "keepalives_idle",
				     "keepalives_interval",
				     "keepalives_count",
				     NULL};
	const char *const values[] = {pg->cfg->db_host,
				      port,
				      pg->cfg->db_name,
				      pg->cfg->db_user,
				      pg->cfg->db_password,
				      pg->cfg->db_sslmode,
				      pg->application_name,
				      options,
				      "10000",
				      "10",
				      "5",
				      "3",
				      NULL};
	return PQconnectStartParams(words, values, 0);
}

static bool finish_connect(struct pg *pg)
{
	const uint64_t until = clock_mono_ns() + CONNECT_TIMEOUT_MS * NS_PER_MS;
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	if (pg->conn == NULL || PQstatus(pg->conn) == CONNECTION_BAD)
		return false;
	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED)
			return false;
		if (!wait_socket(pg, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
			return false;
		status = PQconnectPoll(pg->conn);
	}
	return PQsetnonblocking(pg->conn, 1) == 0;
}

static enum err set_session(struct pg *pg)
{
	char text[160];
	snprintf(text, sizeof(text), "SET lock_timeout = %lld; SET statement_timeout = %lld",
		 (long long)pg->options.lock_timeout_ms,
		 (long long)pg->options.statement_timeout_ms);
	enum err e = pg_exec(pg, text);
	if (e == ERR_OK && pg->options.session != SQL_NONE)
		e = pg_exec(pg, sql_text(pg->options.session));
	if (e == ERR_OK && pg->options.more != SQL_NONE)
		e = pg_exec(pg, sql_text(pg->options.more));
	return e;
}

enum err pg_ready(struct pg *pg)
{
	if (pg->conn != NULL)
		return ERR_OK;
	if (clock_mono_ns() < pg->retry_at_ns)
		return ERR_DOWN;
	memset(pg->prepared, 0, sizeof(pg->prepared));
	pg->conn = start_connect(pg);
	if (finish_connect(pg) && set_session(pg) == ERR_OK) {
		pg->backoff_ms = BACKOFF_MIN_MS;
		pg->sessions++;
		log_info("postgres", "connected| role=%s host=%s", pg->options.role,
			 pg->cfg->db_host);
		return ERR_OK;
	}
	if (pg->conn != NULL)
		note_error(pg, PQerrorMessage(pg->conn));
	log_warn("postgres", "cannot connect, trying again| role=%s host=%s error=\"%s\"",
		 pg->options.role, pg->cfg->db_host, pg->error);
	pg_drop(pg);
	pg->retry_at_ns = clock_mono_ns() + pg->backoff_ms * NS_PER_MS;
	pg->backoff_ms = pg->backoff_ms * 2 < BACKOFF_MAX_MS ? pg->backoff_ms * 2 : BACKOFF_MAX_MS;
	return ERR_DOWN;
}
