/*
 * Collecting events for the producer.
 *
 * Runs on CivetWeb's workers.
 */
#include "net/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "domain/partition.h"

#define FIRST_CAP 4

struct outbox_entry {
	struct uuid user_id;
	enum event_kind kind;
	int32_t partition;
	uint32_t value_len;
};

void outbox_init(struct outbox *ob, struct buf *bytes)
{
	*ob = (struct outbox){.bytes = bytes};
	buf_clear(bytes);
}

void outbox_release(struct outbox *ob)
{
	free(ob->entries);
	*ob = (struct outbox){.bytes = NULL};
}

void outbox_add(struct outbox *ob, const struct event *event, int32_t partitions)
{
	if (ob->n == ob->cap) {
		ob->cap = ob->cap == 0 ? FIRST_CAP : ob->cap * 2;
		ob->entries = xrealloc(ob->entries, ob->cap * sizeof(*ob->entries));
	}
	const size_t before = ob->bytes->len;
	event_write(event, ob->bytes);
	ob->entries[ob->n++] = (struct outbox_entry){
		.user_id = event->user_id,
		.kind = event->kind,
		.partition = partition_of_user(&event->user_id, partitions),
		.value_len = (uint32_t)(ob->bytes->len - before),
	};
}

struct msg *outbox_message(const struct outbox *ob)
{
	const size_t records_len = ob->n * sizeof(struct produce_record);
	struct msg *m = msg_new(MSG_PRODUCE, records_len + ob->bytes->len);
	char *value = m->bytes + records_len;
	memcpy(value, ob->bytes->data, ob->bytes->len);
	m->produce.records = (struct produce_record *)(void *)m->bytes;
	m->produce.n = ob->n;
	for (uint32_t i = 0; i < ob->n; i++) {
		const struct outbox_entry *entry = &ob->entries[i];
		struct produce_record *record = &m->produce.records[i];
		*record = (struct produce_record){
			.owner = m,
			.kind = entry->kind,
			.partition = entry->partition,
			.status = PRODUCE_PENDING,
			.value = value,
			.value_len = entry->value_len,
		};
		uuid_write(&entry->user_id, record->key);
		value += entry->value_len;
	}
	return m;
}
