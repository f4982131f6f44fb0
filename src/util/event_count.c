/*
 * The event count's system half: monotonic time, FUTEX_WAIT and FUTEX_WAKE for ck_ec.
 *
 * Runs on whichever thread waits or wakes. ck's inline assembly is invisible to the thread
 * sanitizer, so this file is built without it and tells it about the two edges by hand (see
 * tsan_note in mailbox.c).
 */
#include "util/event_count.h"

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/tsan.h"

#ifndef PR_FUTEX_HASH /* headers older than 6.16 */
#define PR_FUTEX_HASH 78
#define PR_FUTEX_HASH_SET_SLOTS 1
#endif

static int ec_gettime(const struct ck_ec_ops *ops, struct timespec *out)
{
	(void)ops;
	return clock_gettime(CLOCK_MONOTONIC, out);
}

static void ec_wait32(const struct ck_ec_wait_state *state, const uint32_t *address,
		      uint32_t expected, const struct timespec *deadline)
{
	(void)state;
	/* FUTEX_WAIT_BITSET takes an absolute deadline on CLOCK_MONOTONIC. Any return means: look
	 * again. */
	(void)syscall(SYS_futex, address, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline, NULL,
		      FUTEX_BITSET_MATCH_ANY);
}

static void ec_wake32(const struct ck_ec_ops *ops, const uint32_t *address)
{
	(void)ops;
	(void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static const struct ck_ec_ops ec_ops = {
	.gettime = ec_gettime,
	.wait32 = ec_wait32,
	.wake32 = ec_wake32,
	/* Threads outnumber cores here: spinning only keeps the waker from running. */
	.busy_loop_iter = 1,
};

static const struct ck_ec_mode ec_mode = {.ops = &ec_ops, .single_producer = false};

/* ck would wake up after 2, 16, 128, 1000 ms and look, even beyond the deadline: sleep until the
 * deadline itself. */
static int until_deadline(const struct ck_ec_wait_state *state, struct timespec *iteration_deadline)
{
	*iteration_deadline = *(const struct timespec *)state->data;
	return 0;
}

void event_count_expect(unsigned threads)
{
	unsigned long slots = 256;
	while (slots < threads)
		slots *= 2;
	(void)prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, slots, 0ul, 0ul);
}

uint32_t event_count_value(const struct event_count *ec)
{
	const uint32_t value = ck_ec32_value(&ec->ec);
	TSAN_ACQUIRE(ec);
	return value;
}

void event_count_wake(struct event_count *ec)
{
	TSAN_RELEASE(ec);
	ck_ec32_inc(&ec->ec, &ec_mode);
}

bool event_count_wait(struct event_count *ec, uint32_t value, uint64_t deadline_ns)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / NS_PER_S),
		.tv_nsec = (long)(deadline_ns % NS_PER_S),
	};
	const bool changed = ck_ec32_wait_pred(&ec->ec, &ec_mode, value, until_deadline, &deadline,
					       &deadline) == 0;
	TSAN_ACQUIRE(ec);
	return changed;
}
