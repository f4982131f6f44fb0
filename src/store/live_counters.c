/*
 * Keys, scripts and replies of the live counters.
 *
 * Runs on the counter actor (writing) and on the live actor (reading), each with a connection of
 * its own. Scripts are sent by EVAL: Redis caches them by content, and a script that is gone after
 * a restart cannot happen.
 */
#include "store/live_counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queries.h"
#include "store/redis.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/money.h"

#define KEYS LIVE_KEYS
#define TOTALS (KEYS - 1)
#define KEY_MAX LIVE_KEY_MAX
#define MARK_SECONDS "3600" /* longer than any resync */

struct live_counters {
	struct redis *redis;
	struct metrics *metrics;
	char deployment[UUID_TEXT_LEN + 1];
	char versions_key[KEY_MAX];
	char mark_key[KEY_MAX]; /* of this object's resyncs */
};

/* In the order of the scripts' KEYS. */
static const char *const prefixes[KEYS] = {"live_shares",	 "click_count",
					   "conversion_count",	 "conversion_value",
					   "unattributed_count", "unattributed_value"};

void live_counters_key(const struct campaign_day *day, int i, char out[LIVE_KEY_MAX])
{
	char id[UUID_TEXT_LEN + 1], date[DATE_TEXT_LEN + 1];
	uuid_format(&day->campaign_id, id);
	date_format(day->day, date);
	snprintf(out, LIVE_KEY_MAX, "%s:%s:%s", prefixes[i], id, date);
}

bool live_counters_parse_key(const char *key, size_t len, struct campaign_day *out)
{
	for (int i = 0; i < KEYS; i++) {
		const size_t prefix = strlen(prefixes[i]);
		if (len == prefix + 1 + UUID_TEXT_LEN + 1 + DATE_TEXT_LEN &&
		    memcmp(key, prefixes[i], prefix) == 0 && key[prefix] == ':' &&
		    key[prefix + 1 + UUID_TEXT_LEN] == ':')
			return uuid_parse(key + prefix + 1, UUID_TEXT_LEN, &out->campaign_id) &&
			       date_parse(key + prefix + 1 + UUID_TEXT_LEN + 1, DATE_TEXT_LEN,
					  &out->day);
	}
	return false;
}

void live_counters_versions_key(const struct uuid *deployment, char out[LIVE_KEY_MAX])
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(deployment, id);
	snprintf(out, LIVE_KEY_MAX, "tyrattribution:versions:%s", id);
}

struct live_counters *live_counters_new(const struct config *cfg, struct metrics *metrics,
					const char *name, int64_t timeout_ms,
					const struct uuid *deployment)
{
	struct live_counters *lc = xcalloc(1, sizeof(*lc));
	lc->redis = redis_new(cfg, metrics, name, timeout_ms);
	lc->metrics = metrics;
	uuid_format(deployment, lc->deployment);
	struct uuid mark;
	char mark_text[UUID_TEXT_LEN + 1];
	uuid_v7(clock_wall_ms(), &mark);
	uuid_format(&mark, mark_text);
	live_counters_versions_key(deployment, lc->versions_key);
	snprintf(lc->mark_key, sizeof(lc->mark_key), "tyrattribution:resync:%s", mark_text);
	return lc;
}

void live_counters_free(struct live_counters *lc)
{
	if (lc == NULL)
		return;
	redis_free(lc->redis);
	free(lc);
}

enum err live_counters_ready(struct live_counters *lc)
{
	return redis_ready(lc->redis);
}

void live_counters_drop(struct live_counters *lc)
{
	redis_drop(lc->redis);
}

/* The words of one command, collected as text. */
struct command {
	struct buf text; /* all words, each with a NUL */
	struct buf lens; /* their lengths, size_t each */
	int argc;
};

#define COMMAND_INIT                                                                               \
	{                                                                                          \
		BUF_INIT, BUF_INIT, 0                                                              \
	}

static void command_add(struct command *c, const char *word)
{
	const size_t len = strlen(word);
	buf_add(&c->text, word, len + 1);
	buf_add(&c->lens, &len, sizeof(len));
	c->argc++;
}

static void command_add_int(struct command *c, int64_t n)
{
	char word[24];
	snprintf(word, sizeof(word), "%" PRId64, n);
	command_add(c, word);
}

/* Hand the command to the pipeline and empty it. */
static void command_append(struct command *c, struct redis *redis)
{
	const char **argv = xcalloc((size_t)c->argc, sizeof(*argv));
	const size_t *lens = (const size_t *)(const void *)c->lens.data;
	const char *at = c->text.data;
	for (int i = 0; i < c->argc; i++) {
		argv[i] = at;
		at += lens[i] + 1;
	}
	redis_append(redis, c->argc, argv, lens);
	free(argv);
	buf_clear(&c->text);
	buf_clear(&c->lens);
	c->argc = 0;
}

static void command_release(struct command *c)
{
	buf_release(&c->text);
	buf_release(&c->lens);
}

static void add_keys(struct command *c, const struct campaign_day *day, int first, int n)
{
	char key[KEY_MAX];
	for (int i = first; i < first + n; i++) {
		live_counters_key(day, i, key);
		command_add(c, key);
	}
}

static void add_totals(struct command *c, const struct totals *t)
{
	char text[MONEY_TEXT_MAX];
	command_add_int(c, t->clicks);
	command_add_int(c, t->conversions);
	minor_format(t->value_minor, text);
	command_add(c, text);
	command_add_int(c, t->unattributed);
	minor_format(t->unattributed_value_minor, text);
	command_add(c, text);
}

static void begin_script(struct command *c, const char *script, int keys)
{
	command_add(c, "EVAL");
	command_add(c, script);
	command_add_int(c, keys);
}

void live_counters_append_share(struct live_counters *lc, int32_t shard, int64_t version,
				const struct share *share)
{
	const struct campaign_day day = {.campaign_id = share->campaign_id, .day = share->day};
	struct command c = COMMAND_INIT;
	begin_script(&c, script_share_set, KEYS);
	add_keys(&c, &day, 0, KEYS);
	command_add(&c, lc->deployment);
	command_add_int(&c, shard);
	command_add_int(&c, version);
	add_totals(&c, &share->totals);
	command_append(&c, lc->redis);
	command_release(&c);
}

/* When the keys of a day expire, in Redis' own time: the end of the next UTC day. */
static int64_t expire_at_s(int32_t day)
{
	return clock_to_system_ms(((int64_t)day + 2) * MS_PER_DAY) / 1000;
}

void live_counters_append_day(struct live_counters *lc, const struct campaign_day *day,
			      const struct snapshot_share *shares, uint32_t n)
{
	struct command c = COMMAND_INIT;
	begin_script(&c, script_day_load, KEYS + 1);
	add_keys(&c, day, 0, KEYS);
	command_add(&c, lc->versions_key);
	command_add(&c, lc->deployment);
	command_add_int(&c, expire_at_s(day->day));
	for (uint32_t i = 0; i < n; i++) {
		command_add_int(&c, shares[i].shard);
		command_add_int(&c, shares[i].version);
		add_totals(&c, &shares[i].totals);
	}
	command_append(&c, lc->redis);
	command_release(&c);
}

enum err live_counters_outcome(struct live_counters *lc, enum share_outcome *out)
{
	redisReply *reply;
	const enum err e = redis_reply(lc->redis, &reply);
	if (e != ERR_OK)
		return e;
	*out = SHARE_OVERFLOW;
	if (reply->str != NULL && strcmp(reply->str, "set") == 0)
		*out = SHARE_SET;
	else if (reply->str != NULL && strcmp(reply->str, "old") == 0)
		*out = SHARE_OLD;
	else if (reply->str != NULL &&
		 (strcmp(reply->str, "miss") == 0 || strcmp(reply->str, "stale") == 0))
		*out = SHARE_MISS;
	freeReplyObject(reply);
	return ERR_OK;
}

enum err live_counters_mark(struct live_counters *lc)
{
	struct command c = COMMAND_INIT;
	redisReply *reply;
	command_add(&c, "SETEX");
	command_add(&c, lc->mark_key);
	command_add(&c, MARK_SECONDS);
	command_add(&c, "1");
	command_append(&c, lc->redis);
	command_release(&c);
	const enum err e = redis_reply(lc->redis, &reply);
	freeReplyObject(reply);
	return e;
}

enum err live_counters_publish(struct live_counters *lc, int32_t shard, int64_t before,
			       int64_t version, enum publish_outcome *out)
{
	struct command c = COMMAND_INIT;
	begin_script(&c, script_publish, 2);
	command_add(&c, lc->versions_key);
	command_add(&c, lc->mark_key);
	command_add_int(&c, shard);
	if (before < 0)
		command_add(&c, "*");
	else
		command_add_int(&c, before);
	command_add_int(&c, version);
	command_append(&c, lc->redis);
	command_release(&c);

	redisReply *reply;
	const enum err e = redis_reply(lc->redis, &reply);
	if (e != ERR_OK)
		return e;
	*out = PUBLISH_SET;
	if (reply->str != NULL && strcmp(reply->str, "lost") == 0)
		*out = PUBLISH_LOST;
	else if (reply->str != NULL && strcmp(reply->str, "old") == 0)
		*out = PUBLISH_OLD;
	freeReplyObject(reply);
	return ERR_OK;
}

enum err live_counters_check(struct live_counters *lc, const struct campaign_day *days, uint32_t n,
			     bool *whole)
{
	struct command c = COMMAND_INIT;
	enum err e = ERR_OK;
	for (uint32_t i = 0; i < n; i++) {
		command_add(&c, "EXISTS");
		add_keys(&c, &days[i], 0, KEYS);
		command_append(&c, lc->redis);
	}
	for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
		redisReply *reply;
		e = redis_reply(lc->redis, &reply);
		whole[i] = e == ERR_OK && reply->integer == KEYS;
		freeReplyObject(reply);
	}
	command_release(&c);
	return e;
}

static void read_versions(const redisReply *reply, int64_t *versions, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		versions[i] = -1;
	if (reply->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const int64_t shard = strtoll(reply->element[i]->str, NULL, 10);
		if (shard >= 0 && shard < n)
			versions[shard] = strtoll(reply->element[i + 1]->str, NULL, 10);
	}
}

/* All five totals must be there: half a day is none. */
static bool read_totals(const redisReply *reply, struct totals *out)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != TOTALS)
		return false;
	for (size_t i = 0; i < TOTALS; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return false;
	}
	out->clicks = strtoll(reply->element[0]->str, NULL, 10);
	out->conversions = strtoll(reply->element[1]->str, NULL, 10);
	out->unattributed = strtoll(reply->element[3]->str, NULL, 10);
	return minor_parse(reply->element[2]->str, &out->value_minor) &&
	       minor_parse(reply->element[4]->str, &out->unattributed_value_minor);
}

enum err live_counters_read(struct live_counters *lc, int64_t *versions, uint32_t n_versions,
			    struct live_reading *readings, uint32_t n)
{
	struct command c = COMMAND_INIT;
	command_add(&c, "HGETALL");
	command_add(&c, lc->versions_key);
	command_append(&c, lc->redis);
	for (uint32_t i = 0; i < n; i++) {
		command_add(&c, "MGET");
		add_keys(&c, &readings[i].key, 1, TOTALS);
		command_append(&c, lc->redis);
	}
	command_release(&c);

	redisReply *reply;
	enum err e = redis_reply(lc->redis, &reply);
	if (e != ERR_OK)
		return e;
	read_versions(reply, versions, n_versions);
	freeReplyObject(reply);
	for (uint32_t i = 0; e != ERR_DOWN && i < n; i++) {
		e = redis_reply(lc->redis, &reply);
		readings[i].found = e == ERR_OK && read_totals(reply, &readings[i].totals);
		freeReplyObject(reply);
	}
	return e == ERR_DOWN ? ERR_DOWN : ERR_OK;
}

/* The number behind "name:" in INFO's text. */
static int64_t info_number(const char *info, const char *name)
{
	const char *at = strstr(info, name);
	return at != NULL ? strtoll(at + strlen(name), NULL, 10) : 0;
}

enum err live_counters_info(struct live_counters *lc, struct redis_info *out)
{
	static const char policy[] = "maxmemory_policy:";
	struct command c = COMMAND_INIT;
	command_add(&c, "INFO");
	command_append(&c, lc->redis);
	command_release(&c);
	redisReply *reply;
	const enum err e = redis_reply(lc->redis, &reply);
	if (e != ERR_OK || reply->str == NULL) {
		freeReplyObject(reply);
		return e != ERR_OK ? e : ERR_FAILED;
	}
	out->used_memory = info_number(reply->str, "\nused_memory:");
	out->evicted_keys = info_number(reply->str, "\nevicted_keys:");
	const char *at = strstr(reply->str, policy);
	at = at != NULL ? at + sizeof(policy) - 1 : "";
	snprintf(out->policy, sizeof(out->policy), "%.*s", (int)strcspn(at, "\r\n"), at);
	out->evicting = out->policy[0] != '\0' && strcmp(out->policy, "noeviction") != 0;
	freeReplyObject(reply);
	return ERR_OK;
}
