/*
 * The registry: a view of all campaigns, swapped by RCU.
 *
 * Runs on readers (registry_find, registry_list, on HTTP workers) and on the registrar (everything
 * that writes).
 *
 * retire_note: what a new view does not hold any more is freed with the view it replaces. Readers
 * of views before that one ended before it was replaced, or hold up its grace period like its own.
 */
#include "store/registry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RCU_MEMB
#include <urcu/urcu-memb.h>

#include "util/tsan.h"

/* Address that stands for the edge between the last reader and the one who frees. */
static const char read_edge;

typedef int compare_fn(const void *a, const void *b); /* of pointers to pointers to campaigns */

struct view {
	struct rcu_head rcu;
	size_t n;
	struct campaign **by_id;
	struct campaign **by_time; /* newest first */

	/* written when it is replaced */
	struct campaign **retired;
	size_t n_retired;
};

struct registry {
	/* shared */
	_Atomic(struct view *) view; /* NULL: never loaded */
};

struct registry *registry_new(void)
{
	return xcalloc(1, sizeof(struct registry));
}

static const struct campaign *at(const void *element)
{
	return *(struct campaign *const *)element;
}

static int compare_ids(const void *a, const void *b)
{
	return uuid_compare(&at(a)->id, &at(b)->id);
}

static int compare_times(const void *a, const void *b)
{
	const struct campaign *x = at(a), *y = at(b);
	if (x->created_us != y->created_us)
		return x->created_us > y->created_us ? -1 : 1;
	return uuid_compare(&y->id, &x->id);
}

/* Of two with one id the one that counts stands last. */
static int compare_versions(const void *a, const void *b)
{
	const struct campaign *x = at(a), *y = at(b);
	const int ids = uuid_compare(&x->id, &y->id);
	if (ids != 0)
		return ids;
	if (x->updated_us != y->updated_us)
		return x->updated_us < y->updated_us ? -1 : 1;
	return (x->revision > y->revision) - (x->revision < y->revision);
}

/* The first place from @from on that does not come before @c. */
static size_t lower_bound(struct campaign *const *in, size_t from, size_t n,
			  const struct campaign *c, compare_fn *compare)
{
	while (from < n) {
		const size_t middle = from + (n - from) / 2;
		if (compare(&in[middle], &c) < 0)
			from = middle + 1;
		else
			n = middle;
	}
	return from;
}

static struct campaign *find(const struct view *view, const struct uuid *id)
{
	const struct campaign key = {.id = *id};
	const size_t i = lower_bound(view->by_id, 0, view->n, &key, compare_ids);
	return i < view->n && uuid_is_equal(&view->by_id[i]->id, id) ? view->by_id[i] : NULL;
}

bool registry_find(struct registry *registry, const struct uuid *id, campaign_fn *fn, void *context)
{
	urcu_memb_read_lock();
	const struct view *view = atomic_load_explicit(&registry->view, memory_order_acquire);
	const struct campaign *c = view != NULL ? find(view, id) : NULL;
	if (c != NULL)
		fn(context, c);
	TSAN_RELEASE(&read_edge);
	urcu_memb_read_unlock();
	return c != NULL;
}

static bool passes(const struct campaign *c, const struct registry_filter *f, bool may_be_id)
{
	char id[UUID_TEXT_LEN + 1];
	if ((f->has_status && c->status != f->status) ||
	    (f->tag != NULL && !campaign_has_tag(c, f->tag)))
		return false;
	if (f->search == NULL || strstr(c->folded, f->search) != NULL)
		return true;
	if (!may_be_id)
		return false;
	uuid_format(&c->id, id);
	return strncmp(id, f->search, strlen(f->search)) == 0;
}

static void list(const struct view *view, const struct registry_filter *f, campaign_fn *fn,
		 void *context, bool *more)
{
	const bool may_be_id =
		f->search != NULL && f->search[strspn(f->search, "0123456789abcdef-")] == '\0';
	const struct campaign key = {.created_us = f->behind.created_us, .id = f->behind.id};
	size_t i = 0;
	uint32_t shown = 0;
	if (f->has_behind) {
		i = lower_bound(view->by_time, 0, view->n, &key, compare_times);
		if (i < view->n && view->by_time[i]->created_us == key.created_us &&
		    uuid_is_equal(&view->by_time[i]->id, &key.id))
			i++;
	}
	for (*more = false; i < view->n && !*more; i++) {
		if (!passes(view->by_time[i], f, may_be_id))
			continue;
		*more = shown == f->limit;
		if (!*more)
			fn(context, view->by_time[i]);
		shown++;
	}
}

bool registry_list(struct registry *registry, const struct registry_filter *filter, campaign_fn *fn,
		   void *context, bool *more)
{
	urcu_memb_read_lock();
	const struct view *view = atomic_load_explicit(&registry->view, memory_order_acquire);
	if (view != NULL)
		list(view, filter, fn, context, more);
	TSAN_RELEASE(&read_edge);
	urcu_memb_read_unlock();
	return view != NULL;
}

/* --- the writer --- */

static void free_view(struct view *view)
{
	for (size_t i = 0; i < view->n_retired; i++)
		free(view->retired[i]);
	free(view->retired);
	free(view->by_id);
	free(view->by_time);
	free(view);
}

static void free_retired(struct rcu_head *head)
{
	TSAN_ACQUIRE(&read_edge);
	free_view(caa_container_of(head, struct view, rcu));
}

/* The writer's own look, without a section: it alone replaces views. */
static struct view *current(const struct registry *registry)
{
	return atomic_load_explicit(&registry->view, memory_order_relaxed);
}

static struct view *view_new(size_t n)
{
	struct view *view = xcalloc(1, sizeof(*view));
	view->n = n;
	view->by_id = xcalloc(n + 1, sizeof(*view->by_id));
	view->by_time = xcalloc(n + 1, sizeof(*view->by_time));
	return view;
}

/* Show @view from now on; @retired, @n_retired of the old one are not in it. See retire_note. */
static void publish(struct registry *registry, struct view *view, struct campaign **retired,
		    size_t n_retired)
{
	struct view *old = current(registry);
	atomic_store_explicit(&registry->view, view, memory_order_release);
	if (old == NULL) {
		free(retired);
		return;
	}
	old->retired = retired;
	old->n_retired = n_retired;
	urcu_memb_call_rcu(&old->rcu, free_retired);
}

/* Sort by id, and free all but the latest of each id. How many are left. */
static size_t sort_latest(struct campaign **campaigns, size_t n)
{
	size_t kept = 0;
	if (n == 0)
		return 0;
	qsort(campaigns, n, sizeof(struct campaign *), compare_versions);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && uuid_is_equal(&campaigns[i]->id, &campaigns[i + 1]->id))
			free(campaigns[i]);
		else
			campaigns[kept++] = campaigns[i];
	}
	return kept;
}

static void apply_whole(struct registry *registry, struct campaign **campaigns, size_t n)
{
	const struct view *old = current(registry);
	struct campaign **retired = NULL;
	struct view *view = view_new(n);
	if (n > 0) {
		memcpy(view->by_id, campaigns, n * sizeof(struct campaign *));
		memcpy(view->by_time, campaigns, n * sizeof(struct campaign *));
	}
	qsort(view->by_time, n, sizeof(struct campaign *), compare_times);
	if (old != NULL) {
		retired = xcalloc(old->n + 1, sizeof(*retired));
		memcpy(retired, old->by_id, old->n * sizeof(*retired));
	}
	publish(registry, view, retired, old != NULL ? old->n : 0);
}

/* A sorted array without @dropped (which are in it) and with @added; all sorted in the same way. */
static void merge(struct campaign **out, struct campaign *const *in, size_t n,
		  struct campaign *const *dropped, size_t n_dropped, struct campaign *const *added,
		  size_t n_added, compare_fn *compare)
{
	size_t from = 0, d = 0, a = 0;
	while (d < n_dropped || a < n_added) {
		const size_t drop_at =
			d < n_dropped ? lower_bound(in, from, n, dropped[d], compare) : n;
		const size_t add_at = a < n_added ? lower_bound(in, from, n, added[a], compare) : n;
		const bool adds = a < n_added && add_at <= drop_at;
		const size_t upto = adds ? add_at : drop_at;
		memcpy(out, in + from, (upto - from) * sizeof(*out));
		out += upto - from;
		from = upto + (adds ? 0 : 1);
		if (adds)
			*out++ = added[a++];
		else
			d++;
	}
	memcpy(out, in + from, (n - from) * sizeof(*out));
}

static bool is_same(const struct campaign *a, const struct campaign *b)
{
	return a->revision == b->revision && a->updated_us == b->updated_us &&
	       a->created_us == b->created_us;
}

/* Those that are held in another version go to @held; what is held just so is freed. How many are
 * left. */
static size_t find_held(const struct view *view, struct campaign **campaigns, size_t n,
			struct campaign **held, size_t *n_held)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct campaign *old = find(view, &campaigns[i]->id);
		if (old != NULL && is_same(old, campaigns[i])) {
			free(campaigns[i]);
			continue;
		}
		campaigns[kept++] = campaigns[i];
		if (old != NULL)
			held[(*n_held)++] = old;
	}
	return kept;
}

static void apply_changes(struct registry *registry, struct campaign **campaigns, size_t n)
{
	const struct view *old = current(registry);
	struct campaign **held = xcalloc(n + 1, sizeof(*held));
	size_t n_held = 0;
	n = find_held(old, campaigns, n, held, &n_held);
	if (n == 0) {
		free(held);
		return;
	}
	struct view *view = view_new(old->n + n - n_held);
	merge(view->by_id, old->by_id, old->n, held, n_held, campaigns, n, compare_ids);
	qsort(held, n_held, sizeof(struct campaign *), compare_times);
	qsort(campaigns, n, sizeof(struct campaign *), compare_times);
	merge(view->by_time, old->by_time, old->n, held, n_held, campaigns, n, compare_times);
	publish(registry, view, held, n_held);
}

void registry_apply(struct registry *registry, struct campaign **campaigns, size_t n, bool whole)
{
	ASSERT(whole || registry_is_loaded(registry));
	n = sort_latest(campaigns, n);
	if (whole)
		apply_whole(registry, campaigns, n);
	else if (n > 0)
		apply_changes(registry, campaigns, n);
}

bool registry_is_loaded(const struct registry *registry)
{
	return current(registry) != NULL;
}

int64_t registry_revision(struct registry *registry, const struct uuid *id)
{
	const struct view *view = current(registry);
	const struct campaign *c = view != NULL ? find(view, id) : NULL;
	return c != NULL ? c->revision : 0;
}

int64_t registry_campaigns(const struct registry *registry)
{
	const struct view *view = current(registry);
	return view != NULL ? (int64_t)view->n : 0;
}

void registry_free(struct registry *registry)
{
	if (registry == NULL)
		return;
	struct view *view = current(registry);
	if (view != NULL) {
		view->retired = xcalloc(view->n + 1, sizeof(*view->retired));
		memcpy(view->retired, view->by_id, view->n * sizeof(*view->retired));
		view->n_retired = view->n;
		free_view(view);
	}
	urcu_memb_register_thread();
	urcu_memb_barrier(); /* every view is freed: none is left for a leak report */
	urcu_memb_unregister_thread();
	free(registry);
}
