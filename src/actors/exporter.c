/*
 * The exporter actor.
 *
 * Runs on its own thread with a PostgreSQL connection of its own, which is made for the first page.
 */
#include "actors/exporter.h"

#include <stdio.h>
#include <stdlib.h>

#include "actors/actor.h"
#include "store/exports.h"
#include "util/clock.h"

#define IDLE_NS NS_PER_S

struct exporter {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;

	/* owned by the exporter's thread */
	struct pg *pg;
};

static enum err read_page(struct exporter *e, struct export *x)
{
	enum err error = pg_ready(e->pg);
	if (error == ERR_OK)
		error = exports_page(e->pg, x);
	if (error == ERR_DOWN && pg_ready(e->pg) == ERR_OK) /* it died while idle */
		error = exports_page(e->pg, x);
	return error;
}

static void on_msg(void *self, struct msg *m)
{
	struct exporter *e = self;
	ASSERT(m->kind == MSG_EXPORT);
	struct export *x = m->export.export;
	x->status = EXPORT_FAILED;
	/* Nobody waits any more for a page that is late. */
	if (clock_mono_ns() - m->created_ns <= (uint64_t)e->cfg->export_timeout_ms * NS_PER_MS)
		(void)!read_page(e, x);
	msg_answer(m);
}

static uint64_t on_idle(void *self)
{
	(void)self;
	return IDLE_NS;
}

static void fini(void *self)
{
	struct exporter *e = self;
	pg_free(e->pg);
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct exporter *exporter_start(const struct config *cfg, unsigned index, struct mailbox *mb,
				struct metrics_set *metrics)
{
	const struct pg_options options = {
		.role = "exporter",
		.session = EXPORT_SESSION,
		.timeout_ms = (uint64_t)cfg->export_timeout_ms + 500,
		.statement_timeout_ms = cfg->export_timeout_ms,
	};
	char name[ACTOR_NAME_MAX];
	struct exporter *e = xcalloc(1, sizeof(*e));
	snprintf(name, sizeof(name), "exporter-%u", index);
	e->cfg = cfg;
	e->pg = pg_new(cfg, metrics_block_new(metrics), &options);
	actor_start(&e->actor, &ops, name, e, mb);
	return e;
}

void exporter_stop(struct exporter *e)
{
	if (e == NULL)
		return;
	actor_stop(&e->actor);
	free(e);
}
