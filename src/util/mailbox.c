/*
 * The mailbox: lanes of ck's single-producer rings, a bitmap of lanes that may hold something, a
 * wake-up.
 *
 * Runs on senders (push) and on the one receiver (pop, wait).
 *
 * Why not one MPSC ring: ck_ring_enqueue_mpsc makes later senders spin behind one that was
 * preempted between its two steps, and with more senders than cores that stalls for seconds. A lane
 * has one producer.
 *
 * ready_note: the sender enqueues, then sets its lane's bit in `ready` with a sequentially
 * consistent OR. The receiver takes a whole word of `ready` with an exchange, then dequeues. If the
 * receiver misses the message, its exchange came before the OR, so the bit is seen at the next
 * look. A bit may be set on an empty lane, never clear on a filled one. Bits that were taken and
 * not yet worked off live in `pending`.
 *
 * wake_note: with an event count the receiver takes its value before looking, the sender raises it
 * after the OR. With an eventfd the receiver sets `sleeping`, fences, and looks again before it
 * polls; the sender exchanges `sleeping` after the OR and writes only if it was set. Both sides'
 * operations are sequentially consistent, so one of the two sees the other.
 *
 * tsan_note: the thread sanitizer cannot see ck's inline assembly, so this file is built without it
 * and announces the one edge that matters, enqueue to dequeue, by hand.
 */
#include "util/mailbox.h"

#include <ck_ring.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/event_count.h"
#include "util/tsan.h"

#define LANES_PER_WORD 64

struct lane {
	ck_ring_t ring;

	/* set at open, then read-only */
	struct mailbox *mb;
	ck_ring_buffer_t *slots;
	unsigned index;

	/* written by the sender alone, read by stats */
	_Atomic uint64_t pushed;
	_Atomic uint64_t rejected;
};

struct mailbox {
	/* set at start, then read-only */
	const char *name;
	unsigned lanes_max;
	int fd; /* -1: the event count is used */

	/* shared */
	_Atomic(struct lane *) *lanes;
	_Atomic uint64_t *ready;
	_Atomic unsigned lanes_open;
	_Atomic bool closed;
	_Atomic bool sleeping;
	struct event_count ec;
	pthread_mutex_t open_lock; /* only around mailbox_lane_open */

	/* owned by the receiver */
	uint64_t *pending;
	unsigned cursor; /* the lane after the one served last */
	int watched_fd;	 /* -1: none */

	/* written by the receiver, read by anyone */
	_Atomic uint64_t beats;
};

static unsigned words_for(unsigned lanes)
{
	return (lanes + LANES_PER_WORD - 1) / LANES_PER_WORD;
}

/* Those that can have a bit set. seq_cst: a lane is opened before it is pushed to, so whoever
 * misses it here is woken by that push, see wake_note. */
static unsigned words_in_use(const struct mailbox *mb)
{
	return words_for(atomic_load(&mb->lanes_open));
}

struct mailbox *mailbox_new(const char *name, unsigned lanes_max, bool with_fd)
{
	ASSERT(lanes_max > 0);
	struct mailbox *mb = xcalloc_aligned(1, sizeof(*mb));
	mb->name = name;
	mb->lanes_max = lanes_max;
	mb->lanes = xcalloc(lanes_max, sizeof(*mb->lanes));
	mb->ready = xcalloc_aligned(words_for(lanes_max), sizeof(*mb->ready));
	mb->pending = xcalloc(words_for(lanes_max), sizeof(*mb->pending));
	mb->fd = with_fd ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	ASSERT(!with_fd || mb->fd >= 0);
	mb->watched_fd = -1;
	pthread_mutex_init(&mb->open_lock, NULL);
	return mb;
}

void mailbox_free(struct mailbox *mb)
{
	if (mb == NULL)
		return;
	for (unsigned i = 0; i < mb->lanes_open; i++) {
		struct lane *lane = mb->lanes[i];
		ASSERT(ck_ring_size(&lane->ring) == 0);
		free(lane->slots);
		free(lane);
	}
	if (mb->fd >= 0)
		close(mb->fd);
	pthread_mutex_destroy(&mb->open_lock);
	free(mb->pending);
	free((void *)mb->ready);
	free((void *)mb->lanes);
	free(mb);
}

static unsigned ring_size_for(unsigned capacity)
{
	unsigned size = 4;
	while (size - 1 < capacity) /* a ring of size n holds n - 1 */
		size *= 2;
	return size;
}

struct lane *mailbox_lane_open(struct mailbox *mb, unsigned capacity)
{
	struct lane *lane = xcalloc_aligned(1, sizeof(*lane));
	const unsigned size = ring_size_for(capacity);
	lane->slots = xcalloc(size, sizeof(*lane->slots));
	lane->mb = mb;
	ck_ring_init(&lane->ring, size);

	pthread_mutex_lock(&mb->open_lock);
	ASSERT(mb->lanes_open < mb->lanes_max);
	lane->index = mb->lanes_open;
	atomic_store(&mb->lanes[lane->index], lane);
	atomic_store(&mb->lanes_open, lane->index + 1);
	pthread_mutex_unlock(&mb->open_lock);
	return lane;
}

static void wake_receiver(struct mailbox *mb)
{
	if (mb->fd < 0) {
		event_count_wake(&mb->ec);
		return;
	}
	if (atomic_load(&mb->sleeping) &&
	    atomic_exchange(&mb->sleeping, false)) { /* see wake_note */
		const uint64_t one = 1;
		/* Fails only when the counter is full, which wakes the receiver as well. */
		if (write(mb->fd, &one, sizeof(one)) < 0)
			ASSERT(errno == EAGAIN || errno == EINTR);
	}
}

enum mailbox_result mailbox_push(struct lane *lane, void **msg)
{
	struct mailbox *mb = lane->mb;
	ASSERT(*msg != NULL);
	if (atomic_load_explicit(&mb->closed, memory_order_acquire))
		return MAILBOX_CLOSED;
	TSAN_RELEASE(lane);
	if (!ck_ring_enqueue_spsc(&lane->ring, lane->slots, *msg)) {
		atomic_store_explicit(&lane->rejected, lane->rejected + 1, memory_order_relaxed);
		return MAILBOX_FULL;
	}
	*msg = NULL;
	atomic_store_explicit(&lane->pushed, lane->pushed + 1, memory_order_relaxed);
	/* seq_cst: see ready_note */
	atomic_fetch_or(&mb->ready[lane->index / LANES_PER_WORD],
			1ull << (lane->index % LANES_PER_WORD));
	wake_receiver(mb);
	return MAILBOX_OK;
}

void mailbox_close(struct mailbox *mb)
{
	atomic_store(&mb->closed, true);
	wake_receiver(mb);
}

bool mailbox_is_closed(const struct mailbox *mb)
{
	return atomic_load(&mb->closed);
}

/* Take one message from a lane of word @w, starting at bit @from; NULL when no lane there holds
 * any. */
static void *pop_from_word(struct mailbox *mb, unsigned w, unsigned from)
{
	if (atomic_load_explicit(&mb->ready[w], memory_order_relaxed) != 0)
		mb->pending[w] |= atomic_exchange(&mb->ready[w], 0); /* seq_cst: see ready_note */
	uint64_t candidates = mb->pending[w] & (~0ull << from);
	while (candidates != 0) {
		const unsigned bit = (unsigned)__builtin_ctzll(candidates);
		candidates &= candidates - 1;
		struct lane *lane = atomic_load_explicit(&mb->lanes[w * LANES_PER_WORD + bit],
							 memory_order_acquire);
		void *msg = NULL;
		if (ck_ring_dequeue_spsc(&lane->ring, lane->slots, &msg)) {
			TSAN_ACQUIRE(lane);
			mb->cursor = w * LANES_PER_WORD + bit + 1;
			return msg;
		}
		mb->pending[w] &= ~(1ull << bit);
	}
	return NULL;
}

void *mailbox_pop(struct mailbox *mb)
{
	const unsigned words = words_in_use(mb);
	if (words == 0)
		return NULL;
	const unsigned start = mb->cursor < words * LANES_PER_WORD ? mb->cursor : 0;
	unsigned w = start / LANES_PER_WORD;
	void *msg = pop_from_word(mb, w, start % LANES_PER_WORD);
	for (unsigned i = 0; msg == NULL && i < words; i++) {
		w = w + 1 < words ? w + 1 : 0;
		msg = pop_from_word(mb, w, 0);
	}
	return msg;
}

uint32_t mailbox_ticket(struct mailbox *mb)
{
	return mb->fd < 0 ? event_count_value(&mb->ec) : 0;
}

static bool has_work(const struct mailbox *mb)
{
	for (unsigned w = 0; w < words_in_use(mb); w++) {
		if (mb->pending[w] != 0 || atomic_load(&mb->ready[w]) != 0)
			return true;
	}
	return false;
}

static void poll_fds(const struct mailbox *mb, uint64_t timeout_ns)
{
	/* poll(2) passes over a negative descriptor */
	struct pollfd pfds[] = {{.fd = mb->fd, .events = POLLIN},
				{.fd = mb->watched_fd, .events = POLLIN}};
	const struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S),
		.tv_nsec = (long)(timeout_ns % NS_PER_S),
	};
	uint64_t count;
	if (ppoll(pfds, ARRAY_LEN(pfds), &timeout, NULL) > 0 && pfds[0].revents != 0 &&
	    read(mb->fd, &count, sizeof(count)) < 0)
		ASSERT(errno == EAGAIN || errno == EINTR);
}

static void wait_on_fd(struct mailbox *mb, uint64_t timeout_ns)
{
	atomic_store(&mb->sleeping, true); /* seq_cst: see wake_note */
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_work(mb) && !mailbox_is_closed(mb))
		poll_fds(mb, timeout_ns);
	atomic_store(&mb->sleeping, false);
}

void mailbox_wait(struct mailbox *mb, uint32_t ticket, uint64_t timeout_ns, bool for_messages)
{
	if (mb->fd < 0)
		(void)event_count_wait(&mb->ec, ticket, clock_mono_ns() + timeout_ns);
	else if (for_messages)
		wait_on_fd(mb, timeout_ns);
	else
		poll_fds(mb, timeout_ns);
}

int mailbox_fd(const struct mailbox *mb)
{
	return mb->fd;
}

void mailbox_watch(struct mailbox *mb, int fd)
{
	ASSERT(mb->fd >= 0);
	mb->watched_fd = fd;
}

void mailbox_beat(struct mailbox *mb)
{
	const uint64_t beats = atomic_load_explicit(&mb->beats, memory_order_relaxed);
	atomic_store_explicit(&mb->beats, beats + 1, memory_order_relaxed);
}

uint64_t mailbox_beats(const struct mailbox *mb)
{
	return atomic_load_explicit(&mb->beats, memory_order_relaxed);
}

const char *mailbox_name(const struct mailbox *mb)
{
	return mb->name;
}

void mailbox_stats(const struct mailbox *mb, struct mailbox_stats *out)
{
	*out = (struct mailbox_stats){0};
	const unsigned n = atomic_load_explicit(&mb->lanes_open, memory_order_acquire);
	for (unsigned i = 0; i < n; i++) {
		const struct lane *lane = atomic_load_explicit(&mb->lanes[i], memory_order_acquire);
		out->depth += ck_ring_size(&lane->ring);
		out->capacity += ck_ring_capacity(&lane->ring) - 1;
		out->pushed += atomic_load_explicit(&lane->pushed, memory_order_relaxed);
		out->rejected += atomic_load_explicit(&lane->rejected, memory_order_relaxed);
	}
}
