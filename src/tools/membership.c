/*
 * A consumer that is assigned partitions and reads none.
 *
 * Runs on the main thread; callbacks run inside polling.
 */
#include "tools/membership.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/kafka_consumer.h"
#include "util/clock.h"

#define LOOK_MS 200
#define JOIN_NS (60 * NS_PER_S)

struct membership {
	const struct config *cfg;
	struct kafka_consumer *kafka;
	int fd;
	bool is_member;
};

static void on_assigned(void *context, const int32_t *partitions, int n)
{
	struct membership *m = context;
	(void)partitions, (void)n;
	m->is_member = true;
	kafka_consumer_assign(m->kafka, NULL, NULL, 0);
}

static void on_revoked(void *context)
{
	struct membership *m = context;
	m->is_member = false;
}

static void on_out_of_range(void *context, enum event_kind topic, int32_t partition, int64_t low,
			    int64_t high)
{
	(void)context, (void)topic, (void)partition, (void)low, (void)high; /* nothing is read */
}

static const struct kafka_consumer_ops ops = {
	.assigned = on_assigned,
	.revoked = on_revoked,
	.out_of_range = on_out_of_range,
};

struct membership *membership_begin(const struct config *cfg)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct membership *m = xcalloc(1, sizeof(*m));
	m->cfg = cfg;
	m->fd = fd;
	m->kafka = kafka_consumer_new(cfg, fd, &ops, m);
	return m;
}

bool membership_pump(struct membership *m, int wait_ms)
{
	struct pollfd pfd = {.fd = m->fd, .events = POLLIN};
	struct record ignored;
	int32_t partition;
	uint64_t count;
	enum kafka_poll_result result;
	(void)poll(&pfd, 1, wait_ms);
	(void)!read(m->fd, &count, sizeof(count));
	do {
		result = kafka_consumer_poll(m->kafka, &ignored, &partition);
	} while (result == KAFKA_POLL_AGAIN || result == KAFKA_POLL_RECORD);
	return result != KAFKA_POLL_FATAL;
}

bool membership_await(struct membership *m, const struct tool *tool)
{
	uint64_t said = 0;
	const uint64_t until = clock_mono_ns() + JOIN_NS;
	while (membership_pump(m, m->is_member ? 0 : LOOK_MS) && !m->is_member) {
		tool_progress(tool, &said, "waiting for the consumer group %s",
			      m->cfg->kafka_group_id);
		if (clock_mono_ns() > until)
			break;
	}
	return m->is_member;
}

void membership_end(struct membership *m)
{
	if (m == NULL)
		return;
	kafka_consumer_free(m->kafka);
	close(m->fd);
	free(m);
}
