/*
 * hiredis with deadlines and without reuse of a connection that failed.
 *
 * Runs on the thread that owns the connection. SIGPIPE is ignored process-wide, since hiredis
 * writes without MSG_NOSIGNAL. A new context is made for every connection: hiredis' reconnect keeps
 * neither timeouts nor state.
 */
#include "store/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000

struct redis {
	const struct config *cfg;
	struct metrics *metrics;
	const char *name;
	int64_t timeout_ms;
	redisContext *context; /* NULL while down */
	uint64_t retry_at_ns;
	uint64_t backoff_ms;
};

struct redis *redis_new(const struct config *cfg, struct metrics *metrics, const char *name,
			int64_t timeout_ms)
{
	struct redis *r = xcalloc(1, sizeof(*r));
	r->cfg = cfg;
	r->metrics = metrics;
	r->name = name;
	r->timeout_ms = timeout_ms;
	r->backoff_ms = BACKOFF_MIN_MS;
	return r;
}

void redis_drop(struct redis *r)
{
	if (r->context != NULL)
		redisFree(r->context);
	r->context = NULL;
}

void redis_free(struct redis *r)
{
	if (r == NULL)
		return;
	redis_drop(r);
	free(r);
}

bool redis_is_connected(const struct redis *r)
{
	return r->context != NULL;
}

/* Run one command of the greeting; false when Redis refuses it. */
static bool greet(struct redis *r, const char *word, const char *argument)
{
	redisReply *reply = redisCommand(r->context, "%s %s", word, argument);
	const bool ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
	if (!ok)
		log_warn("redis", "%s was refused| error=\"%s\"", word,
			 reply != NULL ? reply->str : r->context->errstr);
	freeReplyObject(reply);
	return ok;
}

static bool greet_all(struct redis *r)
{
	char db[24];
	snprintf(db, sizeof(db), "%d", (int)r->cfg->redis_db);
	return (r->cfg->redis_password[0] == '\0' || greet(r, "AUTH", r->cfg->redis_password)) &&
	       greet(r, "SELECT", db);
}

static bool connect_now(struct redis *r)
{
	const struct timeval timeout = {.tv_sec = r->timeout_ms / 1000,
					.tv_usec = r->timeout_ms % 1000 * 1000};
	const char *colon = strrchr(r->cfg->redis_url, ':');
	char *host = xstrndup(r->cfg->redis_url, (size_t)(colon - r->cfg->redis_url));
	r->context = redisConnectWithTimeout(host, (int)strtol(colon + 1, NULL, 10), timeout);
	free(host);
	if (r->context == NULL || r->context->err != 0 ||
	    redisSetTimeout(r->context, timeout) != REDIS_OK) {
		log_warn("redis", "cannot connect, trying again| role=%s url=%s error=\"%s\"",
			 r->name, r->cfg->redis_url,
			 r->context != NULL ? r->context->errstr : "no memory");
		return false;
	}
	return greet_all(r);
}

enum err redis_ready(struct redis *r)
{
	if (r->context != NULL)
		return ERR_OK;
	if (clock_mono_ns() < r->retry_at_ns)
		return ERR_DOWN;
	if (connect_now(r)) {
		r->backoff_ms = BACKOFF_MIN_MS;
		log_info("redis", "connected| role=%s url=%s", r->name, r->cfg->redis_url);
		return ERR_OK;
	}
	metrics_add(r->metrics, M_REDIS_ERRORS, 1);
	redis_drop(r);
	r->retry_at_ns = clock_mono_ns() + r->backoff_ms * NS_PER_MS;
	r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS;
	return ERR_DOWN;
}

void redis_append(struct redis *r, int argc, const char *const *argv, const size_t *lens)
{
	if (r->context != NULL)
		(void)redisAppendCommandArgv(r->context, argc, (const char **)(uintptr_t)argv,
					     lens);
}

enum err redis_reply(struct redis *r, redisReply **reply)
{
	void *got = NULL;
	*reply = NULL;
	if (r->context == NULL)
		return ERR_DOWN;
	if (redisGetReply(r->context, &got) != REDIS_OK) {
		log_warn("redis", "connection lost| role=%s error=\"%s\"", r->name,
			 r->context->errstr);
		metrics_add(r->metrics, M_REDIS_ERRORS, 1);
		redis_drop(r);
		return ERR_DOWN;
	}
	*reply = got;
	if ((*reply)->type != REDIS_REPLY_ERROR)
		return ERR_OK;
	log_warn("redis", "a command was refused| role=%s error=\"%s\"", r->name, (*reply)->str);
	metrics_add(r->metrics, M_REDIS_ERRORS, 1);
	freeReplyObject(*reply);
	*reply = NULL;
	return ERR_FAILED;
}
