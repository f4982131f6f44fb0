/*
 * Completions: who gets a result, who keeps it, and that a deferred wait ends exactly once.
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "util/clock.h"
#include "util/completion.h"

#define ROUNDS 20000

static int delivered; /* calls of note */
static void *last;

static void note(void *context, void *result)
{
	assert_ptr_equal(context, &delivered);
	delivered++;
	last = result;
}

static uint64_t in_ms(uint64_t ms)
{
	return clock_mono_ns() + ms * NS_PER_MS;
}

static void test_wait(void **state)
{
	(void)state;
	int answer = 0;
	void *result = NULL;
	struct completion *c = completion_new();
	const struct ticket first = completion_begin(c);
	assert_false(completion_wait(c, in_ms(1), &result));
	assert_false(ticket_complete(first, &answer)); /* too late: it stays the caller's */
	const struct ticket second = completion_begin(c);
	assert_false(ticket_complete(first, &answer));
	assert_true(ticket_complete(second, &answer));
	assert_true(completion_wait(c, in_ms(1), &result));
	assert_ptr_equal(result, &answer);
	assert_false(ticket_complete(second, &answer));
	completion_free(c);
}

static void test_deferred(void **state)
{
	(void)state;
	int answer = 0;
	void *result = NULL;
	struct completion *c = completion_new();
	delivered = 0;
	const struct ticket first = completion_defer(c, in_ms(60000), note, &delivered);
	completion_expire(c, clock_mono_ns()); /* not due */
	assert_int_equal(delivered, 0);
	assert_true(ticket_complete(first, &answer));
	assert_int_equal(delivered, 1);
	assert_ptr_equal(last, &answer);
	assert_false(ticket_complete(first, &answer));
	completion_expire(c, UINT64_MAX - 1);
	assert_int_equal(delivered, 1);
	completion_settle(c); /* at once */

	const struct ticket second = completion_begin(c); /* one that is slept in never expires */
	completion_expire(c, UINT64_MAX - 1);
	assert_true(ticket_complete(second, &answer));
	assert_true(completion_wait(c, in_ms(1), &result));
	assert_int_equal(delivered, 1);
	completion_free(c);
}

static void test_expired(void **state)
{
	(void)state;
	int answer = 0;
	struct completion *c = completion_new();
	delivered = 0;
	last = &answer;
	const struct ticket ticket = completion_defer(c, 1, note, &delivered);
	completion_expire(c, 1);
	assert_int_equal(delivered, 1);
	assert_null(last);
	assert_false(ticket_complete(ticket, &answer));
	assert_false(completion_cancel(c));
	completion_settle(c);
	completion_free(c);
}

static void test_cancelled(void **state)
{
	(void)state;
	int answer = 0;
	struct completion *c = completion_new();
	delivered = 0;
	const struct ticket ticket = completion_defer(c, 1, note, &delivered);
	assert_true(completion_cancel(c));
	completion_expire(c, 1);
	assert_false(ticket_complete(ticket, &answer));
	assert_int_equal(delivered, 0);
	completion_settle(c);
	completion_free(c);
}

/* Two threads that want to end the same wait: a result, and a deadline that has passed. */
struct contest {
	struct completion *c;
	_Atomic(uint64_t) generation; /* of the wait that is on; 0: it is over */
	_Atomic bool done;
	int deliveries; /* written by who delivers, read by the owner after settling */
};

static void count(void *context, void *result)
{
	struct contest *contest = context;
	contest->deliveries++;
	assert_true(result == NULL || result == contest);
}

static void *expire(void *arg)
{
	struct contest *contest = arg;
	while (!atomic_load(&contest->done))
		completion_expire(contest->c, UINT64_MAX - 1);
	return NULL;
}

static void *complete(void *arg)
{
	struct contest *contest = arg;
	while (!atomic_load(&contest->done)) {
		const uint64_t generation = atomic_exchange(&contest->generation, 0);
		if (generation != 0)
			(void)!ticket_complete((struct ticket){.completion = contest->c,
							       .generation = generation},
					       contest);
	}
	return NULL;
}

static void test_contest(void **state)
{
	(void)state;
	struct contest contest = {.c = completion_new()};
	pthread_t threads[2];
	assert_int_equal(pthread_create(&threads[0], NULL, expire, &contest), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, complete, &contest), 0);
	for (int i = 0; i < ROUNDS; i++) {
		const struct ticket ticket = completion_defer(contest.c, 1, count, &contest);
		atomic_store(&contest.generation, ticket.generation);
		completion_settle(contest.c);
		assert_int_equal(contest.deliveries, i + 1);
	}
	atomic_store(&contest.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	completion_free(contest.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait),	cmocka_unit_test(test_deferred),
		cmocka_unit_test(test_expired), cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_contest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
