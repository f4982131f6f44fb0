/*
 * A Redis connection that belongs to one thread: pipelines of commands, each reply checked.
 *
 * Overview: append commands, then take exactly as many replies. Any error of the connection, a
 * timeout included, drops it: what it would still answer could be taken for the answer to another
 * command. Commands lost that way are the caller's to repeat. Usage: redis_ready(r);
 * redis_append(r, argc, argv, lens); redis_reply(r, &reply); freeReplyObject(reply). Threads: one
 * thread at a time. Only src/store includes this header.
 */
#ifndef STORE_REDIS_H
#define STORE_REDIS_H

#include <hiredis/hiredis.h>

#include "util/config.h"
#include "util/metrics.h"

struct redis;

/** Does not connect yet. @timeout_ms bounds connecting and every reply. @name is borrowed. */
struct redis *redis_new(const struct config *cfg, struct metrics *metrics, const char *name,
			int64_t timeout_ms) MUST_CHECK;
void redis_free(struct redis *r);

/** Connect if needed (AUTH, SELECT); after a failure ERR_DOWN at once until a back-off of 50 ms to
 * 1 s passed. */
enum err redis_ready(struct redis *r) MUST_CHECK;

bool redis_is_connected(const struct redis *r);

void redis_drop(struct redis *r);

/** Queue a command. @thread owner */
void redis_append(struct redis *r, int argc, const char *const *argv, const size_t *lens);

/**
 * The next reply; the caller frees it. ERR_DOWN: the connection was dropped. ERR_FAILED: Redis
 * answered this command with an error (logged, counted); *reply is NULL, further replies can be
 * taken.
 */
enum err redis_reply(struct redis *r, redisReply **reply) MUST_CHECK;

#endif
