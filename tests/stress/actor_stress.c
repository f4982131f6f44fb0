/*
 * Stress of mailbox, actor loop and completions: more senders than cores, order, counts, wake-ups,
 * shutdown.
 *
 * Each sender numbers its messages; the actor checks that the numbers of a lane come in order and
 * that none is missing. Some messages ask for an answer, some of those give up early, so that late
 * answers meet a slot that has moved on. Senders pause at random, so that the actor falls asleep
 * again and again: a lost wake-up shows as an answer that takes longer than the bound. The seed is
 * printed; TEST_SEED replays it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#include "actors/actor.h"
#include "actors/watchdog.h"
#include "domain/msg.h"
#include "util/clock.h"
#include "util/completion.h"
#include "util/mailbox.h"

#define LANE_CAPACITY 8
#define ANSWER_BOUND_NS (10 * NS_PER_S)
#define SENDERS_MAX 256

struct receiver {
	struct actor actor;
	int64_t next[SENDERS_MAX]; /* by sender: the number that must come next */
	int64_t received;
	bool finished;
};

struct sender {
	pthread_t thread;
	struct lane *lane;
	struct completion *completion;
	unsigned index;
	struct rng rng;
	int64_t messages;
	int64_t sent, full, answered, abandoned;
};

static void on_msg(void *self, struct msg *m)
{
	struct receiver *r = self;
	/* The kind does not matter here: partition names the sender, epoch carries the number. */
	ASSERT(m->kind == MSG_CLAIMED);
	const int32_t sender = m->claimed.partition;
	ASSERT(m->claimed.epoch == r->next[sender]);
	r->next[sender]++;
	r->received++;
	m->claimed.version = m->claimed.epoch + 1;
	msg_answer(m);
}

static uint64_t on_idle(void *self)
{
	(void)self;
	return 100 * NS_PER_S; /* only a wake-up ends this sleep */
}

static void fini(void *self)
{
	struct receiver *r = self;
	r->finished = true;
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

/* Push until there is room. */
static void push(struct sender *s, struct msg *m)
{
	void *moving = m;
	for (;;) {
		const enum mailbox_result result = mailbox_push(s->lane, &moving);
		if (result == MAILBOX_OK)
			return;
		ASSERT(result == MAILBOX_FULL);
		s->full++;
		const struct timespec pause = {.tv_nsec = 20000};
		nanosleep(&pause, NULL);
	}
}

static void ask(struct sender *s, struct msg *m)
{
	void *answer = NULL;
	const int64_t number = m->claimed.epoch;
	const bool hurry = rng_below(&s->rng, 4) == 0;
	m->ticket = completion_begin(s->completion);
	push(s, m);
	const uint64_t bound = hurry ? rng_below(&s->rng, 50000) : ANSWER_BOUND_NS;
	if (completion_wait(s->completion, clock_mono_ns() + bound, &answer)) {
		struct msg *back = answer;
		ASSERT(back->claimed.epoch == number && back->claimed.version == number + 1);
		ASSERT(back->claimed.partition == (int32_t)s->index);
		msg_free(back);
		s->answered++;
	} else {
		ASSERT(hurry); /* a lost wake-up would end here */
		s->abandoned++;
	}
}

static void *send_all(void *arg)
{
	struct sender *s = arg;
	for (int64_t i = 0; i < s->messages; i++) {
		struct msg *m = msg_new(MSG_CLAIMED, 0);
		m->claimed.partition = (int32_t)s->index;
		m->claimed.epoch = i;
		if (rng_below(&s->rng, 8) == 0)
			ask(s, m);
		else
			push(s, m);
		s->sent++;
		if (rng_below(&s->rng, 64) == 0) {
			const struct timespec pause = {.tv_nsec = (long)rng_below(&s->rng, 300000)};
			nanosleep(&pause, NULL);
		}
	}
	return NULL;
}

static void run(unsigned senders, int64_t messages, bool with_fd)
{
	struct receiver *r = xcalloc(1, sizeof(*r));
	struct sender *all = xcalloc(senders, sizeof(*all));
	struct mailbox *mb = mailbox_new("stress", senders, with_fd);
	struct rng seeds = rng_start();
	actor_start(&r->actor, &ops, "receiver", r, mb);
	for (unsigned i = 0; i < senders; i++) {
		all[i].lane = mailbox_lane_open(mb, LANE_CAPACITY);
		all[i].completion = completion_new();
		all[i].index = i;
		all[i].rng.state = rng_next(&seeds);
		all[i].messages = messages;
		assert_int_equal(pthread_create(&all[i].thread, NULL, send_all, &all[i]), 0);
	}
	int64_t sent = 0, answered = 0, abandoned = 0;
	for (unsigned i = 0; i < senders; i++) {
		pthread_join(all[i].thread, NULL);
		sent += all[i].sent;
		answered += all[i].answered;
		abandoned += all[i].abandoned;
	}
	actor_stop(&r->actor); /* closes while messages are still inside: they must all arrive */
	struct mailbox_stats stats;
	mailbox_stats(mb, &stats);
	assert_int_equal(stats.depth, 0);
	assert_int_equal(stats.pushed, sent);
	assert_int_equal(r->received, sent);
	assert_int_equal(sent, (int64_t)senders * messages);
	assert_true(r->finished);
	assert_true(answered > 0);
	struct msg *late = msg_new(MSG_CLAIMED, 0);
	void *moving = late;
	assert_int_equal(mailbox_push(all[0].lane, &moving), MAILBOX_CLOSED);
	assert_ptr_equal(moving, late); /* a refused message stays the sender's */
	msg_free(late);
	assert_int_equal(msg_live_count(), 0);
	print_message("%u senders, %s: %lld sent, %lld answered, %lld given up\n", senders,
		      with_fd ? "eventfd" : "event count", (long long)sent, (long long)answered,
		      (long long)abandoned);
	mailbox_free(mb);
	for (unsigned i = 0; i < senders; i++)
		completion_free(all[i].completion);
	free(all);
	free(r);
}

static void sixteen_senders(void **state)
{
	(void)state;
	run(16, 8000, false);
	run(16, 8000, true);
}

static void many_senders(void **state)
{
	(void)state;
	run(SENDERS_MAX, 600, false);
	run(SENDERS_MAX, 600, true);
}

static void full_lane_keeps_the_message(void **state)
{
	(void)state;
	struct mailbox *mb = mailbox_new("full", 1, false);
	struct lane *lane = mailbox_lane_open(mb, 3);
	void *moving = NULL;
	for (int i = 0; i < 3; i++) {
		moving = msg_new(MSG_CLAIMED, 0);
		assert_int_equal(mailbox_push(lane, &moving), MAILBOX_OK);
		assert_null(moving);
	}
	struct msg *extra = msg_new(MSG_CLAIMED, 0);
	moving = extra;
	assert_int_equal(mailbox_push(lane, &moving), MAILBOX_FULL);
	assert_ptr_equal(moving, extra);
	msg_free(extra);
	for (int i = 0; i < 3; i++)
		msg_free(mailbox_pop(mb));
	assert_null(mailbox_pop(mb));
	struct mailbox_stats stats;
	mailbox_stats(mb, &stats);
	assert_int_equal(stats.rejected, 1);
	assert_int_equal(stats.pushed, 3);
	mailbox_free(mb);
	assert_int_equal(msg_live_count(), 0);
}

static void a_wait_ends_at_its_deadline(void **state)
{
	(void)state;
	struct completion *c = completion_new();
	void *answer = NULL;
	const struct ticket t = completion_begin(c);
	const uint64_t began = clock_mono_ns();
	assert_false(completion_wait(c, began + 30 * NS_PER_MS, &answer));
	const uint64_t took = clock_mono_ns() - began;
	assert_true(took >= 30 * NS_PER_MS && took < NS_PER_S);
	assert_false(ticket_complete(t, c)); /* too late: refused */
	completion_free(c);
}

static void a_late_answer_cannot_answer_the_next_question(void **state)
{
	(void)state;
	struct completion *c = completion_new();
	int first, second;
	void *answer = NULL;
	const struct ticket old = completion_begin(c);
	const struct ticket now = completion_begin(c);
	assert_false(ticket_complete(old, &first));
	assert_true(ticket_complete(now, &second));
	assert_false(ticket_complete(now, &first)); /* once */
	assert_true(completion_wait(c, clock_mono_ns() + NS_PER_S, &answer));
	assert_ptr_equal(answer, &second);
	completion_free(c);
}

/* --- the watchdog
 * --------------------------------------------------------------------------------- */

struct sleeper {
	struct actor actor;
	unsigned turns; /* until it hangs */
};

static uint64_t hang_after_some_turns(void *self)
{
	struct sleeper *s = self;
	if (s->turns > 0)
		s->turns--;
	while (s->turns == 0)
		pause();
	return NS_PER_MS;
}

/* How a process ends whose actor hangs after so many turns of a millisecond, or lives for a second.
 */
static int end_of_process(unsigned turns)
{
	static const struct actor_ops sleeper_ops = {.on_msg = on_msg,
						     .on_idle = hang_after_some_turns};
	const pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit no_core = {0, 0};
		setrlimit(RLIMIT_CORE, &no_core);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		struct sleeper s = {.turns = turns};
		struct mailbox *mb = mailbox_new("sleeper", 1, false);
		struct watchdog *dog = watchdog_start(&mb, 1, 400);
		actor_start(&s.actor, &sleeper_ops, "sleeper", &s, mb);
		usleep(1000000);
		watchdog_stop(dog);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void the_watchdog_ends_a_hang(void **state)
{
	(void)state;
	const int status = end_of_process(5);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void the_watchdog_lets_the_living_live(void **state)
{
	(void)state;
	assert_int_equal(end_of_process(UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_watchdog_ends_a_hang),
		cmocka_unit_test(the_watchdog_lets_the_living_live),
		cmocka_unit_test(full_lane_keeps_the_message),
		cmocka_unit_test(a_wait_ends_at_its_deadline),
		cmocka_unit_test(a_late_answer_cannot_answer_the_next_question),
		cmocka_unit_test(sixteen_senders),
		cmocka_unit_test(many_senders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
