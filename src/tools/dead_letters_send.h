/*
 * Letters on their way into Kafka, a page at a time.
 *
 * Overview: letters_judge() says where a payload belongs, or why it cannot be sent;
 * letters_sender_add() collects; letters_sender_flush() sends what was collected and waits for all
 * acknowledgements. Threads: main. Ownership: payloads stay the caller's until the flush is over.
 */
#ifndef TOOLS_DEAD_LETTERS_SEND_H
#define TOOLS_DEAD_LETTERS_SEND_H

#include "domain/msg.h"
#include "store/dead_letters.h"
#include "util/arena.h"

/** Where @payload of @letter belongs: fills @out in. False: @why (in @arena) says why it cannot be
 * processed. */
bool letters_judge(const struct config *cfg, int32_t partitions, const struct letter *letter,
		   const char *payload, size_t payload_len, struct arena *arena,
		   struct produce_record *out, const char **why) MUST_CHECK;

struct letters_sender;

/** Checks the topics first; NULL: @error has a sentence. */
struct letters_sender *letters_sender_open(const struct config *cfg, int32_t partitions,
					   char *error, size_t error_size) MUST_CHECK;

/** NULL is fine. */
void letters_sender_close(struct letters_sender *s);

/** At most LETTERS_PAGE between two flushes. */
void letters_sender_add(struct letters_sender *s, const struct letter *letter,
			const struct produce_record *record);

/**
 * Send; afterwards @acknowledged (room for LETTERS_PAGE) holds the letters that are in Kafka, and
 * @refused those that Kafka's library does not take at all. False: some were not acknowledged in
 * time; the sender is of no more use.
 */
bool letters_sender_flush(struct letters_sender *s, const struct letter **acknowledged, uint32_t *n,
			  const struct letter **refused, uint32_t *n_refused) MUST_CHECK;

#endif
