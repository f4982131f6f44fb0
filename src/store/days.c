/*
 * Campaign days: from rows of text to our structs.
 *
 * Runs on the history, query and counter actors, each with a connection of its own.
 */
#include "store/days.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/statement.h"
#include "util/money.h"

#define NUMBER_MAX 24

/* Five columns from @col on: clicks, conversions, unattributed, value, unattributed value. */
static void read_totals(const PGresult *r, int row, int col, struct totals *out)
{
	out->clicks = pg_int(r, row, col);
	out->conversions = pg_int(r, row, col + 1);
	out->unattributed = pg_int(r, row, col + 2);
	ASSERT(minor_parse(PQgetvalue(r, row, col + 3), &out->value_minor));
	ASSERT(minor_parse(PQgetvalue(r, row, col + 4), &out->unattributed_value_minor));
}

static struct uuid read_uuid(const PGresult *r, int row, int col)
{
	struct uuid id;
	ASSERT(uuid_parse(PQgetvalue(r, row, col), UUID_TEXT_LEN, &id));
	return id;
}

enum err days_versions(struct pg *pg, uint32_t shards, struct shard_versions *out)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_versions, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	out->closed_through = (int32_t)pg_int(r, 0, 0);
	out->n = shards;
	out->versions = xcalloc(shards, sizeof(*out->versions));
	for (uint32_t i = 0; i < shards; i++)
		out->versions[i] = -1;
	for (int i = 0; i < PQntuples(r); i++) {
		const int64_t shard = PQgetisnull(r, i, 1) ? -1 : pg_int(r, i, 1);
		if (shard >= 0 && shard < shards)
			out->versions[shard] = pg_int(r, i, 2);
	}
	PQclear(r);
	return ERR_OK;
}

static void each_day(PGresult *r, day_row_fn *row, void *context)
{
	for (int i = 0; i < PQntuples(r); i++) {
		const struct uuid campaign = read_uuid(r, i, 0);
		struct day_totals day = {.day = (int32_t)pg_int(r, i, 1)};
		read_totals(r, i, 2, &day.totals);
		row(context, &campaign, &day);
	}
	PQclear(r);
}

enum err days_changed(struct pg *pg, const struct shard_versions *seen, day_row_fn *row,
		      void *context)
{
	struct buf shards = BUF_INIT, versions = BUF_INIT;
	for (uint32_t i = 0; i < seen->n; i++) {
		buf_addf(&shards, "%c%" PRIu32, i == 0 ? '{' : ',', i);
		buf_addf(&versions, "%c%" PRId64, i == 0 ? '{' : ',', seen->versions[i]);
	}
	buf_addc(&shards, '}');
	buf_addc(&versions, '}');
	const char *const params[] = {shards.data, versions.data};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_changed_days, 2, params, &r);
	if (e == ERR_OK)
		each_day(r, row, context);
	buf_release(&shards);
	buf_release(&versions);
	return e;
}

enum err days_newly_closed(struct pg *pg, int32_t before, int32_t now, day_row_fn *row,
			   void *context)
{
	char texts[2][NUMBER_MAX];
	snprintf(texts[0], NUMBER_MAX, "%d", before);
	snprintf(texts[1], NUMBER_MAX, "%d", now);
	const char *const params[] = {texts[0], texts[1]};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_newly_closed_days, 2, params, &r);
	if (e == ERR_OK)
		each_day(r, row, context);
	return e;
}

/* Rows of (day or NULL, totals) from column @col on; frees the result. */
static void take_days(PGresult *r, int col, struct day_totals **days, uint32_t *n)
{
	*days = xcalloc((size_t)PQntuples(r) + 1, sizeof(**days));
	*n = 0;
	for (int i = 0; i < PQntuples(r); i++) {
		if (PQgetisnull(r, i, col))
			continue;
		(*days)[*n].day = (int32_t)pg_int(r, i, col);
		read_totals(r, i, col + 1, &(*days)[(*n)++].totals);
	}
	PQclear(r);
}

enum err days_history(struct pg *pg, const struct uuid *campaign, struct day_totals **days,
		      uint32_t *n, int32_t *through)
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(campaign, id);
	const char *const params[] = {id};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_campaign_history, 1, params, &r);
	if (e != ERR_OK)
		return e;
	if (*PQgetvalue(r, 0, 1) != 't') {
		PQclear(r);
		return ERR_NOT_FOUND;
	}
	*through = (int32_t)pg_int(r, 0, 0);
	take_days(r, 2, days, n);
	return ERR_OK;
}

enum err days_of_campaign(struct pg *pg, const struct uuid *campaign, int32_t from, int32_t to,
			  struct day_totals **days, uint32_t *n, int32_t *closed_through)
{
	char id[UUID_TEXT_LEN + 1], texts[2][NUMBER_MAX];
	uuid_format(campaign, id);
	snprintf(texts[0], NUMBER_MAX, "%d", from);
	snprintf(texts[1], NUMBER_MAX, "%d", to);
	const char *const params[] = {id, texts[0], texts[1]};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_campaign_days, 3, params, &r);
	if (e != ERR_OK)
		return e;
	if (*PQgetvalue(r, 0, 0) != 't') {
		PQclear(r);
		return ERR_NOT_FOUND;
	}
	*closed_through = (int32_t)pg_int(r, 0, 1);
	take_days(r, 2, days, n);
	return ERR_OK;
}

enum err days_live(struct pg *pg, int32_t from, int32_t to, struct campaign_day **days, uint32_t *n)
{
	char texts[2][NUMBER_MAX];
	snprintf(texts[0], NUMBER_MAX, "%d", from);
	snprintf(texts[1], NUMBER_MAX, "%d", to);
	const char *const params[] = {texts[0], texts[1]};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_live_days, 2, params, &r);
	if (e != ERR_OK)
		return e;
	*n = (uint32_t)PQntuples(r);
	*days = xcalloc((size_t)*n + 1, sizeof(**days));
	for (uint32_t i = 0; i < *n; i++) {
		(*days)[i].campaign_id = read_uuid(r, (int)i, 0);
		(*days)[i].day = (int32_t)pg_int(r, (int)i, 1);
	}
	PQclear(r);
	return ERR_OK;
}

/* Call @row for each run of rows with the same campaign and day. */
static void each_snapshot(const PGresult *r, snapshot_fn *row, void *context)
{
	const int rows = PQntuples(r);
	struct snapshot_share *shares = xcalloc((size_t)rows + 1, sizeof(*shares));
	struct campaign_day day = {0};
	uint32_t n = 0;
	for (int i = 0; i < rows; i++) {
		const struct campaign_day next = {
			.campaign_id = read_uuid(r, i, 0),
			.day = (int32_t)pg_int(r, i, 1),
		};
		if (n > 0 &&
		    (next.day != day.day || !uuid_is_equal(&next.campaign_id, &day.campaign_id))) {
			row(context, &day, shares, n);
			n = 0;
		}
		day = next;
		shares[n].shard = (int32_t)pg_int(r, i, 2);
		shares[n].version = pg_int(r, i, 3);
		read_totals(r, i, 4, &shares[n++].totals);
	}
	if (n > 0)
		row(context, &day, shares, n);
	free(shares);
}

enum err days_shares(struct pg *pg, const struct campaign_day *days, uint32_t n, snapshot_fn *row,
		     void *context)
{
	struct buf campaigns = BUF_INIT, numbers = BUF_INIT;
	char id[UUID_TEXT_LEN + 1];
	for (uint32_t i = 0; i < n; i++) {
		uuid_format(&days[i].campaign_id, id);
		buf_addf(&campaigns, "%c%s", i == 0 ? '{' : ',', id);
		buf_addf(&numbers, "%c%d", i == 0 ? '{' : ',', days[i].day);
	}
	buf_addc(&campaigns, '}');
	buf_addc(&numbers, '}');
	const char *const params[] = {campaigns.data, numbers.data};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_live_shares, 2, params, &r);
	if (e == ERR_OK) {
		each_snapshot(r, row, context);
		PQclear(r);
	}
	buf_release(&campaigns);
	buf_release(&numbers);
	return e;
}
