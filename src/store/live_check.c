/*
 * Judging what Redis holds.
 *
 * Runs on main, in the tool reconcile.
 */
#include "store/live_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queries.h"
#include "store/days.h"
#include "store/live_judge.h"
#include "util/clock.h"

#define CHUNK 200 /* days read from one snapshot */
#define ROUNDS 40
#define ROUND_US 100000
#define TIMEOUT_MS 5000
#define AHEAD_DAYS 1 /* days after today that counters keep */
#define SCAN_PATTERN "*_*:*-*-*-*-*:*-*-*"

struct live_check {
	struct redis *redis;
	struct pg *pg; /* borrowed */
	int32_t partitions;
	char versions_key[LIVE_KEY_MAX];

	struct suspect *suspects;
	uint32_t n, cap;
	struct snapshot_share *snapshots; /* of a chunk, a row of shards for each day */
	uint32_t *snapshot_shares;	  /* how many each row has */
	uint32_t at, n_snapshots;	  /* the chunk's first suspect, and days so far */
	struct live_judge *judge;
};

struct live_check *live_check_new(const struct config *cfg, struct metrics *metrics, struct pg *pg,
				  int32_t partitions, const struct uuid *deployment)
{
	struct live_check *c = xcalloc(1, sizeof(*c));
	c->redis = redis_new(cfg, metrics, "reconcile", TIMEOUT_MS);
	c->pg = pg;
	c->partitions = partitions;
	live_counters_versions_key(deployment, c->versions_key);
	c->snapshots = xcalloc((size_t)partitions * CHUNK, sizeof(*c->snapshots));
	c->snapshot_shares = xcalloc(CHUNK, sizeof(*c->snapshot_shares));
	c->judge = live_judge_new(partitions, deployment);
	return c;
}

void live_check_free(struct live_check *c)
{
	if (c == NULL)
		return;
	redis_free(c->redis);
	free(c->suspects);
	free(c->snapshots);
	free(c->snapshot_shares);
	live_judge_free(c->judge);
	free(c);
}

static void add_suspect(struct live_check *c, const struct campaign_day *day)
{
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 256 : c->cap * 2;
		c->suspects = xrealloc(c->suspects, c->cap * sizeof(*c->suspects));
	}
	c->suspects[c->n++] = (struct suspect){.day = *day, .ahead_shard = -1};
}

/* The order of live_shares.sql. */
static int compare_suspects(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;
	const int order = uuid_compare(&x->day.campaign_id, &y->day.campaign_id);
	if (order != 0)
		return order;
	return x->day.day < y->day.day ? -1 : x->day.day > y->day.day;
}

static void tidy_suspects(struct live_check *c)
{
	uint32_t kept = 0;
	if (c->n > 1)
		qsort(c->suspects, c->n, sizeof(*c->suspects), compare_suspects);
	for (uint32_t i = 0; i < c->n; i++) {
		if (kept == 0 || compare_suspects(&c->suspects[kept - 1], &c->suspects[i]) != 0)
			c->suspects[kept++] = c->suspects[i];
	}
	c->n = kept;
}

/* One page of SCAN; @cursor is moved on, "0" at the end. */
static enum err scan_page(struct live_check *c, char cursor[24], int32_t first, int32_t last)
{
	const char *const argv[] = {"SCAN", cursor, "MATCH", SCAN_PATTERN, "COUNT", "1000"};
	size_t lens[ARRAY_LEN(argv)];
	redisReply *reply;
	for (size_t i = 0; i < ARRAY_LEN(argv); i++)
		lens[i] = strlen(argv[i]);
	redis_append(c->redis, ARRAY_LEN(argv), argv, lens);
	const enum err e = redis_reply(c->redis, &reply);
	if (e != ERR_OK)
		return e;
	snprintf(cursor, 24, "%s", reply->element[0]->str);
	for (size_t i = 0; i < reply->element[1]->elements; i++) {
		const redisReply *key = reply->element[1]->element[i];
		struct campaign_day day;
		if (live_counters_parse_key(key->str, (size_t)key->len, &day) && day.day >= first &&
		    day.day <= last)
			add_suspect(c, &day);
	}
	freeReplyObject(reply);
	return ERR_OK;
}

/* Which days to look at: PostgreSQL's live ones, and all that Redis has. */
static enum err find_suspects(struct live_check *c, int32_t first, int32_t last)
{
	const int32_t today = day_of_ms(clock_wall_ms());
	const int32_t from = first > today - 1 ? first : today - 1;
	const int32_t to = last < today + AHEAD_DAYS ? last : today + AHEAD_DAYS;
	struct campaign_day *days = NULL;
	uint32_t n = 0;
	char cursor[24] = "0";
	c->n = 0;
	enum err e = from <= to ? days_live(c->pg, from, to, &days, &n) : ERR_OK;
	for (uint32_t i = 0; i < n; i++)
		add_suspect(c, &days[i]);
	free(days);
	do {
		if (e == ERR_OK)
			e = scan_page(c, cursor, from, last);
	} while (e == ERR_OK && strcmp(cursor, "0") != 0);
	tidy_suspects(c);
	return e;
}

/* Queue the reading of a day. */
static void append_read(struct live_check *c, const struct campaign_day *day)
{
	char keys[LIVE_KEYS][LIVE_KEY_MAX];
	const char *argv[3 + LIVE_KEYS + 1] = {"EVAL", script_day_read, "7"};
	size_t lens[ARRAY_LEN(argv)];
	for (int i = 0; i < LIVE_KEYS; i++) {
		live_counters_key(day, i, keys[i]);
		argv[3 + i] = keys[i];
	}
	argv[3 + LIVE_KEYS] = c->versions_key;
	for (size_t i = 0; i < ARRAY_LEN(argv); i++)
		lens[i] = strlen(argv[i]);
	redis_append(c->redis, ARRAY_LEN(argv), argv, lens);
}

/* Keep a day's snapshot and read the day from Redis: after PostgreSQL, see judge_note in
 * live_judge.c. */
static void take_snapshot(void *context, const struct campaign_day *day,
			  const struct snapshot_share *shares, uint32_t n)
{
	struct live_check *c = context;
	const size_t row = c->n_snapshots++;
	const struct suspect of_day = {.day = *day};
	ASSERT(compare_suspects(&of_day, &c->suspects[c->at + row]) == 0);
	for (uint32_t i = 0; i < n; i++) {
		if (shares[i].shard < c->partitions)
			c->snapshots[row * (size_t)c->partitions + c->snapshot_shares[row]++] =
				shares[i];
	}
	append_read(c, day);
}

/* Read and judge the suspects [at, at + n). */
static enum err judge_chunk(struct live_check *c, uint32_t at, uint32_t n, struct buf *why)
{
	struct campaign_day days[CHUNK];
	for (uint32_t i = 0; i < n; i++)
		days[i] = c->suspects[at + i].day;
	memset(c->snapshot_shares, 0, CHUNK * sizeof(*c->snapshot_shares));
	c->at = at;
	c->n_snapshots = 0;
	enum err e = days_shares(c->pg, days, n, take_snapshot, c);
	for (uint32_t i = 0; e == ERR_OK && i < c->n_snapshots; i++) {
		struct suspect *s = &c->suspects[at + i];
		redisReply *reply;
		e = redis_reply(c->redis, &reply);
		if (e != ERR_OK)
			break;
		live_judge_day(c->judge, s, reply, c->snapshots + i * (size_t)c->partitions,
			       c->snapshot_shares[i], why);
		freeReplyObject(reply);
	}
	return e;
}

/* Take out the suspects that are settled; those that differ go to @wrong. */
static void settle(struct live_check *c, bool is_last, struct finding *out,
		   struct campaign_day *wrong, uint32_t *n_wrong)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		struct suspect *s = &c->suspects[i];
		const bool is_open = s->verdict == DAY_PENDING || s->verdict == DAY_INCOMPLETE;
		if (is_open && !is_last) {
			c->suspects[kept++] = *s;
			continue;
		}
		if (s->verdict == DAY_INCOMPLETE)
			live_judge_explain(&out->details, s,
					   "not all of its keys and shares are there");
		if (s->verdict == DAY_INCOMPLETE || s->verdict == DAY_DIFFERS) {
			out->differ++;
			wrong[(*n_wrong)++] = s->day;
		}
		out->pending += s->verdict == DAY_PENDING;
	}
	c->n = kept;
}

/* Keep the first @shown lines. */
static void cut_lines(struct buf *b, int shown)
{
	char *at = b->data;
	for (int i = 0; at != NULL && i < shown; i++) {
		char *end = strchr(at, '\n');
		at = end != NULL ? end + 1 : NULL;
	}
	if (at != NULL && *at != '\0') {
		*at = '\0';
		b->len = (size_t)(at - b->data);
	}
}

enum err live_check_compare(struct live_check *c, int32_t first, int32_t last, int shown,
			    struct finding *out, struct campaign_day **wrong, uint32_t *n_wrong)
{
	*wrong = NULL;
	*n_wrong = 0;
	enum err e = redis_ready(c->redis);
	if (e == ERR_OK)
		e = find_suspects(c, first, last);
	if (e != ERR_OK)
		return e;
	out->compared = c->n;
	*wrong = xcalloc((size_t)c->n + 1, sizeof(**wrong));
	for (int round = 0; e == ERR_OK && round < ROUNDS && c->n > 0; round++) {
		if (round > 0)
			usleep(ROUND_US);
		for (uint32_t at = 0; e == ERR_OK && at < c->n; at += CHUNK)
			e = judge_chunk(c, at, c->n - at < CHUNK ? c->n - at : CHUNK,
					&out->details);
		if (e == ERR_OK)
			settle(c, round == ROUNDS - 1, out, *wrong, n_wrong);
	}
	if (e != ERR_OK)
		redis_drop(c->redis);
	cut_lines(&out->details, shown);
	return e;
}

enum err live_check_delete(struct live_check *c, const struct campaign_day *days, uint32_t n)
{
	enum err e = redis_ready(c->redis);
	for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
		char keys[LIVE_KEYS][LIVE_KEY_MAX];
		const char *argv[1 + LIVE_KEYS] = {"DEL"};
		size_t lens[ARRAY_LEN(argv)] = {3};
		redisReply *reply;
		for (int k = 0; k < LIVE_KEYS; k++) {
			live_counters_key(&days[i], k, keys[k]);
			argv[1 + k] = keys[k];
			lens[1 + k] = strlen(keys[k]);
		}
		redis_append(c->redis, ARRAY_LEN(argv), argv, lens);
		e = redis_reply(c->redis, &reply);
		freeReplyObject(reply);
	}
	return e;
}
