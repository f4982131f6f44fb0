/*
 * Decoding Kafka messages: the reader of the HTTP edge, plus where the message was found.
 *
 * Pure functions over the caller's arena.
 */
#include "domain/decode.h"

#include <stdio.h>
#include <string.h>

#include "domain/partition.h"
#include "domain/plain.h"

#define DETAIL_MAX 256

static const char *note(struct arena *arena, const char *field, const char *message)
{
	char text[DETAIL_MAX];
	const int len = snprintf(text, sizeof(text), "%s%s%s", field, field[0] != '\0' ? ": " : "",
				 message);
	return arena_strndup(arena, text, len < DETAIL_MAX ? (size_t)len : DETAIL_MAX - 1);
}

const char *record_decode(const struct record *record, int32_t partition, int32_t partitions,
			  struct arena *arena, struct event *event, const char **detail)
{
	char json_error[JSON_ERROR_MAX];
	struct event_error error = {.field = "", .message = "the message has no payload"};
	cJSON *tree = NULL;
	bool ok = false;
	if (record->payload != NULL && record->topic == EVENT_CLICK &&
	    plain_read_click(record->payload, record->payload_len, -1, event)) {
		ok = true;
	} else if (record->payload != NULL) {
		tree = json_parse(record->payload, record->payload_len, json_error);
		if (tree == NULL)
			snprintf(error.message, sizeof(error.message), "%s", json_error);
		else
			ok = event_read(record->topic, tree, -1, event, &error);
	}
	if (ok) {
		event->source = arena_strndup(arena, event->source, event->source_len);
		event->type = arena_strndup(arena, event->type, event->type_len);
	}
	cJSON_Delete(tree);
	if (!ok) {
		*detail = note(arena, error.field, error.message);
		return DEAD_MALFORMED;
	}
	const int32_t right = partition_of_user(&event->user_id, partitions);
	if (right != partition) {
		snprintf(error.message, sizeof(error.message),
			 "the user belongs to partition %d, found in %d", right, partition);
		*detail = note(arena, "", error.message);
		return DEAD_MISPLACED;
	}
	return NULL;
}
