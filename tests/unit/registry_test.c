/*
 * Unit tests of the registry: against a plain table of the same campaigns, and with readers that
 * never wait while it changes.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test.h"

#include "store/history_cache.h"
#include "store/registry.h"

#define MODEL 300 /* ids */
#define READERS 3
#define CHANGES 3000

struct model {
	bool exists;
	struct campaign c; /* its name is made of its number and revision */
};

static struct uuid id_of(uint32_t number)
{
	struct uuid id = {{0xab}};
	id.bytes[14] = (uint8_t)(number >> 8);
	id.bytes[15] = (uint8_t)number;
	id.bytes[1] = (uint8_t)(number * 37); /* ids come in no order of time */
	return id;
}

static struct campaign *make(uint32_t number, int64_t revision, int64_t created_us)
{
	char name[64];
	const char *const tags[] = {revision % 2 == 0 ? "even" : "odd"};
	snprintf(name, sizeof(name), "Nr %u.%lld", number, (long long)revision);
	const struct campaign c = {.id = id_of(number),
				   .status = (enum campaign_status)(number % 3),
				   .revision = revision,
				   .created_us = created_us,
				   .updated_us = created_us + revision,
				   .name = number % 7 == 0 ? NULL : name,
				   .tags = tags,
				   .n_tags = 1};
	return campaign_new(&c);
}

struct listing {
	struct registry_place places[MODEL + 1];
	int64_t revisions[MODEL + 1];
	uint32_t n;
};

static void note(void *context, const struct campaign *c)
{
	struct listing *l = context;
	l->places[l->n] = (struct registry_place){c->created_us, c->id};
	l->revisions[l->n++] = c->revision;
}

static bool comes_before(const struct registry_place *a, const struct registry_place *b)
{
	return a->created_us != b->created_us ? a->created_us > b->created_us
					      : uuid_compare(&a->id, &b->id) > 0;
}

/* Page through everything that passes the filter, @limit at a time. */
static struct listing *page_through(struct registry *registry, struct registry_filter filter,
				    uint32_t limit)
{
	struct listing *all = xcalloc(1, sizeof(*all));
	bool more = true;
	filter.limit = limit;
	while (more) {
		const uint32_t before = all->n;
		assert_true(registry_list(registry, &filter, note, all, &more));
		assert_true(all->n - before == limit || !more);
		if (all->n > 0) {
			filter.has_behind = true;
			filter.behind = all->places[all->n - 1];
		}
	}
	for (uint32_t i = 1; i < all->n; i++)
		assert_true(comes_before(&all->places[i - 1], &all->places[i]));
	return all;
}

static void check(struct registry *registry, const struct model *model, struct rng *rng)
{
	uint32_t n = 0, odd = 0;
	for (uint32_t i = 0; i < MODEL; i++) {
		struct listing one = {.n = 0};
		const struct uuid id = id_of(i);
		assert_int_equal(registry_find(registry, &id, note, &one), model[i].exists);
		assert_int_equal(registry_revision(registry, &id),
				 model[i].exists ? model[i].c.revision : 0);
		if (model[i].exists)
			assert_int_equal(one.revisions[0], model[i].c.revision);
		n += model[i].exists;
		odd += model[i].exists && model[i].c.revision % 2 == 1;
	}
	assert_int_equal(registry_campaigns(registry), n);
	const uint32_t limit = 1 + (uint32_t)rng_below(rng, MODEL);
	struct listing *all = page_through(registry, (struct registry_filter){0}, limit);
	assert_int_equal(all->n, n);
	free(all);
	all = page_through(registry, (struct registry_filter){.tag = "odd"}, limit);
	assert_int_equal(all->n, odd);
	free(all);
}

static void it_is_what_was_applied(void **state)
{
	(void)state;
	struct rng rng = rng_start();
	struct registry *registry = registry_new();
	static struct model model[MODEL];
	struct campaign *list[MODEL];
	bool more;
	struct listing none = {.n = 0};
	memset(model, 0, sizeof(model));
	history_thread_start();
	assert_false(
		registry_list(registry, &(struct registry_filter){.limit = 1}, note, &none, &more));
	registry_apply(registry, NULL, 0, true);
	assert_true(registry_is_loaded(registry));
	for (int round = 0; round < 300; round++) {
		const bool whole = rng_below(&rng, 20) == 0;
		const size_t n = rng_below(&rng, whole ? MODEL : 8);
		if (whole)
			memset(model, 0, sizeof(model));
		for (size_t i = 0; i < n; i++) {
			const uint32_t number = (uint32_t)rng_below(&rng, MODEL);
			struct model *m = &model[number];
			/* sometimes just what is held already, sometimes another time of creation
			 */
			const bool same = m->exists && rng_below(&rng, 4) == 0;
			if (!m->exists)
				m->c.created_us = (int64_t)rng_below(&rng, 50);
			m->c.revision += same ? 0 : 1;
			m->exists = true;
			list[i] = make(number, m->c.revision, m->c.created_us);
		}
		registry_apply(registry, list, n, whole);
		check(registry, model, &rng);
	}
	history_thread_stop();
	registry_free(registry);
}

static void search_finds_names_and_ids(void **state)
{
	(void)state;
	struct registry *registry = registry_new();
	struct campaign *list[MODEL];
	history_thread_start();
	for (uint32_t i = 0; i < MODEL; i++)
		list[i] = make(i, 1, i);
	registry_apply(registry, list, MODEL, true);
	static const struct {
		const char *search;
		uint32_t n;
	} rows[] = {
		{"nr 1.1", 1},	    {"nr 29", 10}, /* 29, 290 to 299, without 294, which has no name
						    */
		{"nr", MODEL - 43}, {"nowhere", 0}, {"ab", MODEL}, /* ids begin so */
		{"ab25", 1 + 1},				   /* 37 times 1 and 257 */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct listing *found = page_through(
			registry, (struct registry_filter){.search = rows[i].search}, 7);
		assert_int_equal(found->n, rows[i].n);
		free(found);
	}
	struct listing *paused = page_through(
		registry, (struct registry_filter){.has_status = true, .status = CAMPAIGN_PAUSED},
		1000);
	assert_int_equal(paused->n, MODEL / 3);
	free(paused);
	history_thread_stop();
	registry_free(registry);
}

struct race {
	struct registry *registry;
	atomic_bool stop;
	_Atomic int64_t looks;
};

/* What a reader is shown must be whole, and must not go back. (cmocka's own checks are for the main
 * thread.) */
static void look_at(void *context, const struct campaign *c)
{
	int64_t *last = context;
	char name[64];
	const uint32_t number = (uint32_t)c->id.bytes[14] << 8 | c->id.bytes[15];
	snprintf(name, sizeof(name), "Nr %u.%lld", number, (long long)c->revision);
	ASSERT(number % 7 == 0 ? c->name == NULL : strcmp(c->name, name) == 0);
	ASSERT(strcmp(c->tags[0], c->revision % 2 == 0 ? "even" : "odd") == 0);
	ASSERT(c->revision >= last[number]);
	last[number] = c->revision;
}

static void *read_all(void *arg)
{
	struct race *race = arg;
	int64_t last[MODEL] = {0};
	const struct registry_filter filter = {.search = "nr", .limit = MODEL};
	history_thread_start();
	for (uint32_t i = 0; !atomic_load(&race->stop); i++) {
		const struct uuid id = id_of(i % MODEL);
		bool more;
		if (i % 10 == 0)
			ASSERT(registry_list(race->registry, &filter, look_at, last, &more));
		else
			(void)!registry_find(race->registry, &id, look_at, last);
		atomic_fetch_add(&race->looks, 1);
	}
	history_thread_stop();
	return NULL;
}

static void readers_see_whole_campaigns(void **state)
{
	(void)state;
	struct rng rng = rng_start();
	struct race race = {.registry = registry_new()};
	struct campaign *list[MODEL];
	int64_t revisions[MODEL] = {0};
	pthread_t readers[READERS];
	history_thread_start();
	registry_apply(race.registry, NULL, 0, true);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, &race), 0);
	for (int change = 0; change < CHANGES || atomic_load(&race.looks) < CHANGES; change++) {
		const bool whole = rng_below(&rng, 50) == 0;
		const size_t n = whole ? MODEL : rng_below(&rng, 10);
		for (size_t i = 0; i < n; i++) {
			const uint32_t number = (uint32_t)(whole ? i : rng_below(&rng, MODEL));
			list[i] = make(number, ++revisions[number], number % 16);
		}
		registry_apply(race.registry, list, n, whole);
	}
	atomic_store(&race.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	history_thread_stop();
	registry_free(race.registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_was_applied),
		cmocka_unit_test(search_finds_names_and_ids),
		cmocka_unit_test(readers_see_whole_campaigns),
	};
	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
