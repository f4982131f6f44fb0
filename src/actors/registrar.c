/*
 * The registrar.
 *
 * Runs on its own thread with a PostgreSQL connection of its own; registered with RCU, since it
 * retires what it replaces.
 *
 * load_note: a load takes a snapshot first, then pages, then what became visible since the
 * snapshot. Only then it replaces what readers see, so nothing that they have seen goes back
 * meanwhile. The old registry is followed in between.
 */
#include "actors/registrar.h"

#include <stdlib.h>

#include "actors/actor.h"
#include "store/campaign_table.h"
#include "store/history_cache.h"
#include "util/clock.h"

#define POLL_NS (250 * NS_PER_MS) /* without a notification */
#define GAP_NS (20 * NS_PER_MS)	  /* between two looks, however many notifications come */
#define TIMEOUT_MS 2000
#define PAGE 5000

struct registrar {
	struct actor actor;

	/* set before start, then read-only */
	struct mailbox *mb;
	struct registry *registry;
	struct metrics *metrics;
	uint64_t started_ns;

	/* owned by the registrar thread */
	struct pg *pg;
	uint64_t session;    /* of pg, the one in which the last load began; 0: none */
	char *seen;	     /* the snapshot that the registry is as of; NULL: never loaded */
	uint64_t seen_at_ns; /* when it was taken, or shortly before */
	uint64_t looked_at_ns;
	uint64_t poll_at_ns;

	/* the load that goes on */
	char *load_snapshot; /* NULL: none */
	struct uuid load_after;
	struct campaign_list loaded;
};

static void end_load(struct registrar *r)
{
	free(r->load_snapshot);
	r->load_snapshot = NULL;
	campaign_list_release(&r->loaded);
}

/* Each connection may be to a server that was restored. */
static enum err begin_load(struct registrar *r)
{
	if (r->session == pg_sessions(r->pg))
		return ERR_OK;
	end_load(r);
	r->load_after = (struct uuid){{0}};
	const enum err e = campaigns_snapshot(r->pg, &r->load_snapshot);
	if (e == ERR_OK)
		r->session = pg_sessions(r->pg);
	return e;
}

/* The registry has what is in @list now; takes the campaigns. */
static void apply(struct registrar *r, struct campaign_list *list, bool whole, uint64_t began_ns)
{
	registry_apply(r->registry, list->rows, list->n, whole);
	list->n = 0;
	r->seen_at_ns = began_ns;
}

/* See load_note. */
static enum err finish_load(struct registrar *r, uint64_t began_ns)
{
	const enum err e = campaigns_changed(r->pg, &r->load_snapshot, &r->loaded);
	if (e != ERR_OK)
		return e;
	apply(r, &r->loaded, true, began_ns);
	free(r->seen);
	r->seen = r->load_snapshot;
	r->load_snapshot = NULL;
	end_load(r);
	return ERR_OK;
}

static void load_page(struct registrar *r)
{
	const uint64_t began_ns = clock_mono_ns();
	const size_t before = r->loaded.n;
	enum err e = campaigns_page(r->pg, &r->load_after, PAGE, &r->loaded);
	if (e == ERR_OK && r->loaded.n - before == PAGE)
		r->load_after = r->loaded.rows[r->loaded.n - 1]->id;
	else if (e == ERR_OK)
		e = finish_load(r, began_ns);
	if (e != ERR_OK) {
		end_load(r);
		r->session = 0; /* the next look begins anew */
	}
}

static enum err follow(struct registrar *r, uint64_t began_ns)
{
	struct campaign_list changed = {0};
	if (r->seen == NULL)
		return ERR_OK;
	const enum err e = campaigns_changed(r->pg, &r->seen, &changed);
	if (e == ERR_OK)
		apply(r, &changed, false, began_ns);
	campaign_list_release(&changed);
	return e;
}

static void look(struct registrar *r)
{
	enum err e = ERR_DOWN;
	/* A second time for a connection that has died since the last look. */
	for (int tries = 0; tries < 2 && e == ERR_DOWN; tries++) {
		const uint64_t now = clock_mono_ns();
		e = pg_ready(r->pg);
		if (e == ERR_OK)
			e = follow(r, now);
		if (e == ERR_OK)
			e = begin_load(r);
	}
	r->looked_at_ns = clock_mono_ns();
	r->poll_at_ns = r->looked_at_ns + POLL_NS;
}

static void count(struct registrar *r)
{
	const uint64_t as_of_ns = r->seen_at_ns != 0 ? r->seen_at_ns : r->started_ns;
	metrics_set(r->metrics, M_REGISTRY_AGE_MS,
		    (int64_t)((clock_mono_ns() - as_of_ns) / NS_PER_MS));
	metrics_set(r->metrics, M_REGISTRY_CAMPAIGNS, registry_campaigns(r->registry));
}

static uint64_t on_idle(void *self)
{
	struct registrar *r = self;
	const bool was_up = pg_fd(r->pg) >= 0;
	const unsigned notified = pg_notified(r->pg);
	metrics_add(r->metrics, M_REGISTRY_NOTIFICATIONS, notified);
	if ((notified > 0 || (was_up && pg_fd(r->pg) < 0)) &&
	    r->poll_at_ns > r->looked_at_ns + GAP_NS)
		r->poll_at_ns = r->looked_at_ns + GAP_NS;
	if (clock_mono_ns() >= r->poll_at_ns)
		look(r);
	if (r->load_snapshot != NULL)
		load_page(r);
	count(r);
	mailbox_watch(r->mb, pg_fd(r->pg));
	const uint64_t now = clock_mono_ns();
	return r->load_snapshot != NULL || now >= r->poll_at_ns ? 0 : r->poll_at_ns - now;
}

static void on_msg(void *self, struct msg *m)
{
	struct registrar *r = self;
	ASSERT(m->kind == MSG_CAMPAIGN);
	const struct campaign *c = m->campaign.campaign;
	/* Before the first load is done nothing is shown; it will find this. */
	if (registry_is_loaded(r->registry) && c != NULL &&
	    c->revision > registry_revision(r->registry, &c->id)) {
		struct campaign *copy = campaign_new(c);
		registry_apply(r->registry, &copy, 1, false);
	}
	msg_answer(m);
}

static void init(void *self)
{
	(void)self;
	history_thread_start();
}

static void fini(void *self)
{
	struct registrar *r = self;
	end_load(r);
	free(r->seen);
	pg_free(r->pg);
	history_thread_stop();
}

static const struct actor_ops ops = {
	.init = init, .on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct registrar *registrar_start(const struct config *cfg, struct mailbox *mb,
				  struct registry *registry, struct metrics_set *metrics)
{
	const struct pg_options options = {
		.role = "registrar", .session = SQL_registrar_session, .timeout_ms = TIMEOUT_MS};
	struct registrar *r = xcalloc(1, sizeof(*r));
	r->mb = mb;
	r->registry = registry;
	r->metrics = metrics_block_new(metrics);
	r->started_ns = clock_mono_ns();
	r->pg = pg_new(cfg, r->metrics, &options);
	actor_start(&r->actor, &ops, "registrar", r, mb);
	return r;
}

void registrar_stop(struct registrar *r)
{
	if (r == NULL)
		return;
	actor_stop(&r->actor);
	free(r);
}
