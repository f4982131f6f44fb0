/*
 * Serving exports.
 *
 * Runs on CivetWeb's workers, which wait here for an exporter and for the client, in turns.
 *
 * page_note: an export takes one of the exporters for itself, or is refused. It asks for a page,
 * sends it, and asks for the next one: so memory holds one page, a client that reads slowly slows
 * nothing but its own export, and PostgreSQL sees short statements with nothing open between them.
 * The first page comes before the head: what fails until then is an error with a status; later,
 * the body is cut off.
 */
#include "net/export.h"

#include <civetweb.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "domain/export_row.h"
#include "net/export_wish.h"
#include "net/response.h"
#include "net/state.h"
#include "net/stream.h"
#include "net/worker.h"
#include "util/clock.h"
#include "util/log.h"

#define PAGE_EXTRA_NS NS_PER_S

struct serving {
	struct request *r;
	struct export *x; /* NULL: lost to an exporter that did not answer in time */
	enum export_kind kind;
	unsigned exporter;
	uint64_t rows; /* sent */
};

/* --- exporters --- */

static bool take_exporter(struct serving *s)
{
	_Atomic uint32_t *exports = &s->r->w->server->exports;
	const unsigned n = (unsigned)s->r->w->deps->cfg->exports;
	uint32_t seen = atomic_load(exports);
	do {
		s->exporter = (unsigned)ffs((int)~seen) - 1; /* none: beyond all */
		if (s->exporter >= n)
			return false;
	} while (!atomic_compare_exchange_weak(exports, &seen, seen | UINT32_C(1) << s->exporter));
	return true;
}

static void give_exporter_back(const struct serving *s)
{
	(void)atomic_fetch_and(&s->r->w->server->exports, ~(UINT32_C(1) << s->exporter));
}

/* Ask for the next page; false: it cannot be had. */
static bool next_page(struct serving *s)
{
	struct worker *w = s->r->w;
	const uint64_t timeout_ns =
		(uint64_t)w->deps->cfg->export_timeout_ms * NS_PER_MS + PAGE_EXTRA_NS;
	struct msg *m = msg_new(MSG_EXPORT, 0);
	m->export.export = s->x;
	s->x = NULL;
	struct msg *answer = worker_ask_exporter(w, s->exporter, &m, clock_mono_ns() + timeout_ns);
	if (answer != NULL) {
		s->x = answer->export.export;
		answer->export.export = NULL;
	}
	msg_free(answer);
	return s->x != NULL && s->x->status != EXPORT_FAILED;
}

/* --- the answer --- */

/* An export that goes on has no header again, so that it can be put behind what there is. */
static bool has_header(const struct export_question *q)
{
	return q->format == EXPORT_CSV && !q->has_cursor;
}

static void begin(const struct serving *s)
{
	const struct export_question *q = &s->x->question;
	const char *type = "application/x-ndjson";
	if (q->format == EXPORT_CSV)
		type = has_header(q) ? "text/csv; charset=utf-8; header=present"
				     : "text/csv; charset=utf-8; header=absent";
	stream_begin(s->r, type, "Cache-Control: no-store\r\nVary: Accept\r\n");
}

static bool send_header(const struct serving *s)
{
	struct buf header = BUF_INIT;
	if (!has_header(&s->x->question))
		return true;
	export_row_add_header(&header, s->kind);
	const bool ok = stream_write(s->r, header.data, header.len);
	buf_release(&header);
	return ok;
}

static bool send_page(struct serving *s)
{
	const struct export *x = s->x;
	if (!stream_write(s->r, x->text.data, x->text.len))
		return false;
	metrics_add(s->r->w->metrics, M_EXPORT_ROWS, (int64_t)(x->rows - s->rows));
	s->rows = x->rows;
	return true;
}

/* Send everything from the first page on, which is there; NULL, or why it was cut off. */
static const char *send_pages(struct serving *s)
{
	static const char client[] = "the client is gone or reads too slowly";
	if (!send_header(s))
		return client;
	while (send_page(s)) {
		if (s->x->status == EXPORT_DONE)
			return stream_end(s->r) ? NULL : client;
		if (atomic_load(&s->r->w->server->draining))
			return "the server is stopping";
		if (!next_page(s))
			return "PostgreSQL cannot be asked";
	}
	return client;
}

static void answer(struct serving *s)
{
	struct metrics *metrics = s->r->w->metrics;
	begin(s);
	const char *problem = send_pages(s);
	metrics_add(metrics, problem == NULL ? M_EXPORTS_WHOLE : M_EXPORTS_CUT, 1);
	if (problem == NULL)
		return;
	stream_cut(s->r);
	log_warn("http", "an export was cut off| kind=%s rows=%" PRIu64 " reason=\"%s\"",
		 export_kind_word(s->kind), s->rows, problem);
}

static void serve(struct serving *s)
{
	struct metrics *metrics = s->r->w->metrics;
	if (!take_exporter(s)) {
		metrics_add(metrics, M_EXPORTS_REFUSED, 1);
		response_error(s->r, 503, "unavailable", NULL,
			       "as many exports are running as may run at a time; repeat the "
			       "request later");
		return;
	}
	metrics_add(metrics, M_EXPORTS_RUNNING, 1);
	if (next_page(s))
		answer(s);
	else
		response_error(s->r, 503, "unavailable", NULL, "the events cannot be read now");
	metrics_add(metrics, M_EXPORTS_RUNNING, -1);
	give_exporter_back(s);
}

void export_serve(struct request *r)
{
	struct serving s = {.r = r, .x = export_new()};
	struct wish_error error;
	if (!export_kind_parse(r->path_id, &s.kind))
		response_error(r, 404, "not_found", NULL,
			       "there is nothing at this path; expected /api/export/clicks, "
			       "/api/export/conversions or /api/export/credits");
	else if (!export_wish_read(s.kind, r->info->query_string, mg_get_header(r->conn, "Accept"),
				   &s.x->question, &error))
		response_refuse(r, error.code, error.field, error.message);
	else if (strcmp(r->info->http_version, "1.1") != 0)
		response_error(r, 505, "bad_request", NULL,
			       "expected HTTP/1.1: exports are sent in chunks");
	else if (r->head)
		begin(&s);
	else
		serve(&s);
	export_free(s.x);
}
