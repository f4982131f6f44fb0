/*
 * From a dead letter to a message that Kafka has acknowledged.
 *
 * Runs on main. The reader is that of the consumer, so that what passes here passes there.
 */
#include "tools/dead_letters_send.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "domain/decode.h"
#include "domain/topic.h"
#include "domain/partition.h"
#include "store/kafka_producer.h"
#include "util/clock.h"

#define CHECK_TIMEOUT_MS 10000
#define ACK_TIMEOUT_NS (30 * NS_PER_S)
#define LOOK_MS 100
#define OLD_SUFFIX ".old" /* what README adds to the topic's name when the topics are made anew */

struct letters_sender {
	struct kafka_producer *kafka;
	int wake_fd;
	uint32_t n, pending;
	struct produce_record records[LETTERS_PAGE];
	const struct letter *letters[LETTERS_PAGE];
	bool sent[LETTERS_PAGE];
};

/* The kind of event whose topic this is, or was. */
static bool find_kind(const struct config *cfg, const char *topic, enum event_kind *out)
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		const char *name = topic_name(cfg, (enum event_kind)k);
		const size_t len = strlen(name);
		if (strncmp(topic, name, len) != 0)
			continue;
		const char *rest = topic + len;
		while (strncmp(rest, OLD_SUFFIX, strlen(OLD_SUFFIX)) == 0)
			rest += strlen(OLD_SUFFIX);
		*out = (enum event_kind)k;
		if (*rest == '\0')
			return true;
	}
	return false;
}

bool letters_judge(const struct config *cfg, int32_t partitions, const struct letter *letter,
		   const char *payload, size_t payload_len, struct arena *arena,
		   struct produce_record *out, const char **why)
{
	struct event event;
	struct record record = {.payload = payload, .payload_len = (uint32_t)payload_len};
	if (!find_kind(cfg, letter->topic, &record.topic)) {
		*why = "its topic is none of those that the options KAFKA_..._TOPIC name";
		return false;
	}
	const char *dead =
		record_decode(&record, letter->partition, partitions, arena, &event, why);
	/* a misplaced one is a good event, and is put where it belongs */
	if (dead != NULL && strcmp(dead, DEAD_MISPLACED) != 0)
		return false;
	*out = (struct produce_record){
		.kind = record.topic,
		.partition = partition_of_user(&event.user_id, partitions),
		.status = PRODUCE_PENDING,
		.value = payload,
		.value_len = (uint32_t)payload_len,
	};
	uuid_write(&event.user_id, out->key);
	return true;
}

static void on_result(void *context, struct produce_record *record, bool acknowledged)
{
	struct letters_sender *s = context;
	record->status = acknowledged ? PRODUCE_ACCEPTED : PRODUCE_RETRY;
	s->pending--;
}

struct letters_sender *letters_sender_open(const struct config *cfg, int32_t partitions,
					   char *error, size_t error_size)
{
	if (!kafka_producer_check_topics(cfg, partitions, CHECK_TIMEOUT_MS, error, error_size))
		return NULL;
	struct letters_sender *s = xcalloc(1, sizeof(*s));
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT(s->wake_fd >= 0);
	s->kafka = kafka_producer_new(cfg, partitions, s->wake_fd, on_result, s);
	return s;
}

void letters_sender_close(struct letters_sender *s)
{
	if (s == NULL)
		return;
	kafka_producer_drain(s->kafka, 0);
	kafka_producer_free(s->kafka);
	close(s->wake_fd);
	free(s);
}

void letters_sender_add(struct letters_sender *s, const struct letter *letter,
			const struct produce_record *record)
{
	ASSERT(s->n < LETTERS_PAGE);
	s->letters[s->n] = letter;
	s->records[s->n++] = *record;
}

static void await_results(struct letters_sender *s)
{
	const uint64_t until = clock_mono_ns() + ACK_TIMEOUT_NS;
	struct pollfd pfd = {.fd = s->wake_fd, .events = POLLIN};
	uint64_t count;
	while (s->pending > 0 && clock_mono_ns() < until) {
		if (poll(&pfd, 1, LOOK_MS) > 0 && read(s->wake_fd, &count, sizeof(count)) < 0)
			continue;
		kafka_producer_poll(s->kafka);
	}
	if (s->pending > 0)
		kafka_producer_drain(s->kafka, 0); /* gives up, with a result for each */
}

bool letters_sender_flush(struct letters_sender *s, const struct letter **acknowledged, uint32_t *n,
			  const struct letter **refused, uint32_t *n_refused)
{
	bool all = true;
	*n = *n_refused = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		s->sent[i] = kafka_producer_send(s->kafka, &s->records[i]) == ERR_OK;
		s->pending += s->sent[i];
	}
	await_results(s);
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->sent[i])
			refused[(*n_refused)++] = s->letters[i];
		else if (s->records[i].status == PRODUCE_ACCEPTED)
			acknowledged[(*n)++] = s->letters[i];
		else
			all = false;
	}
	s->n = 0;
	return all;
}
