/*
 * Parsing and judging a campaign day.
 *
 * Runs on main, in the tool reconcile.
 *
 * judge_note: a share carries the version that set it; the published version P of its shard
 * promises that everything up to P is in the shares. PostgreSQL's snapshot has the shard at
 * version V, read before Redis. Where share version <= V <= P nothing has changed the day between
 * the share's version and V, so share and snapshot must be equal. V > P: the counter lags, which is
 * pending. Share version > V: it moved after the snapshot, and a later snapshot must reach it; one
 * that does not shows a version that never was. The totals must be the sum of the shares at every
 * moment, since scripts change both together.
 */
#include "store/live_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/money.h"

#define TOTALS (LIVE_KEYS - 1)
#define DETAILS_MAX 65536 /* bytes of explanations; more are left out */

struct share_read {
	bool found;
	int64_t version;
	__int128 totals[TOTALS]; /* in the order of the keys */
};

/* What one day_read.lua answered. */
struct reading {
	bool broken; /* something is no number */
	bool is_ours;
	int fields; /* of the shares hash */
	int n_totals;
	int64_t *published;	   /* by shard */
	struct share_read *shares; /* by shard */
	__int128 sum[TOTALS], totals[TOTALS];
};

struct live_judge {
	int32_t partitions;
	char deployment[UUID_TEXT_LEN + 1];
	struct reading reading;
};

struct live_judge *live_judge_new(int32_t partitions, const struct uuid *deployment)
{
	struct live_judge *j = xcalloc(1, sizeof(*j));
	j->partitions = partitions;
	uuid_format(deployment, j->deployment);
	j->reading.published = xcalloc((size_t)partitions, sizeof(*j->reading.published));
	j->reading.shares = xcalloc((size_t)partitions, sizeof(*j->reading.shares));
	return j;
}

void live_judge_free(struct live_judge *j)
{
	if (j == NULL)
		return;
	free(j->reading.published);
	free(j->reading.shares);
	free(j);
}

void live_judge_explain(struct buf *out, const struct suspect *s, const char *words)
{
	char id[UUID_TEXT_LEN + 1], date[DATE_TEXT_LEN + 1];
	if (out->len > DETAILS_MAX)
		return;
	uuid_format(&s->day.campaign_id, id);
	date_format(s->day.day, date);
	buf_addf(out, "campaign %s, %s: %s\n", id, date, words);
}

/* "version a b c d e"; false if it is anything else. */
static bool parse_share(const char *text, struct share_read *out)
{
	char words[256];
	char *rest = words;
	int n = 0;
	snprintf(words, sizeof(words), "%s", text);
	for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " "), n++) {
		__int128 number;
		if (n > TOTALS || !minor_parse(word, &number))
			return false;
		if (n == 0)
			out->version = (int64_t)number;
		else
			out->totals[n - 1] = number;
	}
	out->found = true;
	return n == TOTALS + 1;
}

static void parse_shares(struct live_judge *j, const redisReply *hash)
{
	struct reading *r = &j->reading;
	r->fields = (int)hash->elements;
	for (size_t i = 0; i + 1 < hash->elements; i += 2) {
		const char *field = hash->element[i]->str, *value = hash->element[i + 1]->str;
		struct share_read share = {0};
		if (strcmp(field, "deployment") == 0) {
			r->is_ours = strcmp(value, j->deployment) == 0;
			continue;
		}
		const int64_t shard = strtoll(field, NULL, 10);
		if (!parse_share(value, &share) || shard < 0 || shard >= j->partitions) {
			r->broken = true;
			continue;
		}
		r->shares[shard] = share;
		for (int t = 0; t < TOTALS; t++)
			r->sum[t] += share.totals[t];
	}
}

static void parse_reading(struct live_judge *j, const redisReply *reply)
{
	struct reading *r = &j->reading;
	const size_t partitions = (size_t)j->partitions;
	int64_t *const published = r->published;
	struct share_read *const shares = r->shares;
	*r = (struct reading){.published = published, .shares = shares};
	memset(shares, 0, partitions * sizeof(*shares));
	for (size_t i = 0; i < partitions; i++)
		published[i] = -1;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
		r->broken = true;
		return;
	}
	for (size_t i = 0; i + 1 < reply->element[0]->elements; i += 2) {
		const int64_t shard = strtoll(reply->element[0]->element[i]->str, NULL, 10);
		if (shard >= 0 && shard < j->partitions)
			published[shard] =
				strtoll(reply->element[0]->element[i + 1]->str, NULL, 10);
	}
	parse_shares(j, reply->element[1]);
	for (int t = 0; t < TOTALS; t++) {
		const redisReply *total = reply->element[2]->element[t];
		if (total->type != REDIS_REPLY_STRING)
			continue;
		r->n_totals++;
		r->broken |= !minor_parse(total->str, &r->totals[t]);
	}
}

static void totals_in_key_order(const struct totals *t, __int128 out[TOTALS])
{
	out[0] = t->clicks;
	out[1] = t->conversions;
	out[2] = t->value_minor;
	out[3] = t->unattributed;
	out[4] = t->unattributed_value_minor;
}

/* Say why a day differs: one number of two places. */
static void explain(struct buf *out, const struct suspect *s, const char *what, int t,
		    __int128 in_redis, __int128 expected, const char *expected_by)
{
	static const char *const names[TOTALS] = {"clicks", "conversions", "value_minor",
						  "unattributed", "unattributed_value_minor"};
	char id[UUID_TEXT_LEN + 1], date[DATE_TEXT_LEN + 1], a[MONEY_TEXT_MAX], b[MONEY_TEXT_MAX];
	if (out->len > DETAILS_MAX)
		return;
	uuid_format(&s->day.campaign_id, id);
	date_format(s->day.day, date);
	minor_format(in_redis, a);
	minor_format(expected, b);
	buf_addf(out, "campaign %s, %s, %s: %s %s in Redis, %s %s\n", id, date, what, names[t], a,
		 b, expected_by);
}

/* One shard's share against the snapshot; see judge_note. */
static enum verdict judge_share(const struct live_judge *j, struct suspect *s,
				const struct snapshot_share *expected, struct buf *why)
{
	const struct share_read *share = &j->reading.shares[expected->shard];
	char what[32];
	__int128 numbers[TOTALS];
	totals_in_key_order(&expected->totals, numbers);
	snprintf(what, sizeof(what), "shard %d", expected->shard);
	if (s->ahead_shard == expected->shard && expected->version < s->ahead_version) {
		live_judge_explain(why, s, "a share has a version that PostgreSQL has not reached");
		return DAY_DIFFERS;
	}
	if (share->found && share->version > expected->version) {
		s->ahead_shard = expected->shard;
		s->ahead_version = share->version;
		return DAY_PENDING;
	}
	if (j->reading.published[expected->shard] < expected->version)
		return DAY_PENDING;
	for (int t = 0; t < TOTALS; t++) {
		if (share->totals[t] == numbers[t])
			continue;
		if (!share->found)
			return DAY_INCOMPLETE;
		explain(why, s, what, t, share->totals[t], numbers[t], "in PostgreSQL");
		return DAY_DIFFERS;
	}
	return DAY_EQUAL;
}

static enum verdict judge(const struct live_judge *j, struct suspect *s,
			  const struct snapshot_share *shares, uint32_t n, struct buf *why)
{
	const struct reading *r = &j->reading;
	if (r->broken) {
		live_judge_explain(why, s, "a key or a share is not what belongs there");
		return DAY_DIFFERS;
	}
	if (r->fields == 0 && r->n_totals == 0)
		return DAY_MISSING;
	if (r->n_totals < TOTALS || !r->is_ours)
		return DAY_INCOMPLETE;
	for (int t = 0; t < TOTALS; t++) {
		if (r->sum[t] != r->totals[t]) {
			explain(why, s, "total", t, r->totals[t], r->sum[t], "by its shares");
			return DAY_DIFFERS;
		}
	}
	enum verdict worst = DAY_EQUAL;
	for (uint32_t i = 0; i < n; i++) {
		const enum verdict v = judge_share(j, s, &shares[i], why);
		worst = v > worst ? v : worst;
		if (v == DAY_DIFFERS)
			break;
	}
	return worst;
}

void live_judge_day(struct live_judge *j, struct suspect *s, const redisReply *reply,
		    const struct snapshot_share *shares, uint32_t n, struct buf *why)
{
	parse_reading(j, reply);
	s->verdict = judge(j, s, shares, n, why);
}
