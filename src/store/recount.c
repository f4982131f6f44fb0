/*
 * Recounting and comparing, by statements that leave what differs in tables of the connection.
 *
 * Runs on main, in the tool reconcile.
 */
#include "store/recount.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/path_check.h"
#include "store/statement.h"

#define NUMBER_MAX 24

/* By enum recount_table. */
static const struct {
	const char *name;
	enum sql compare;
} tables[RECOUNT_TABLES] = {
	[RECOUNT_ATTRIBUTION] = {"attribution", SQL_NONE} /* store/path_check.h */,
	[RECOUNT_CLICK_BUCKETS] = {"click_buckets", SQL_compare_click_buckets},
	[RECOUNT_CONVERSION_BUCKETS] = {"conversion_buckets", SQL_compare_conversion_buckets},
	[RECOUNT_DAY_SHARES] = {"day_shares", SQL_compare_day_shares},
	[RECOUNT_JOURNALS] = {"campaign_journals", SQL_compare_campaign_journals},
	[RECOUNT_QUARTERS] = {"campaign_quarters", SQL_compare_campaign_quarters},
	[RECOUNT_STATISTICS] = {"campaign_statistics", SQL_compare_campaign_statistics},
};

void finding_release(struct finding *f)
{
	buf_release(&f->details);
	buf_release(&f->notes);
}

const char *recount_table_name(enum recount_table t)
{
	return tables[t].name;
}

enum err recount_begin(struct pg *pg)
{
	enum err e = pg_run(pg, SQL_recount_clear, 0, NULL, NULL);
	if (e == ERR_OK)
		e = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ");
	return e;
}

enum err recount_events(struct pg *pg, enum event_kind kind, const struct recount_range *range,
			int64_t *buckets)
{
	const char *const params[] = {range->first, range->last};
	PGresult *r;
	const enum err e =
		pg_run(pg, kind == EVENT_CLICK ? SQL_recount_clicks : SQL_recount_conversions, 2,
		       params, &r);
	*buckets = e == ERR_OK ? strtoll(PQcmdTuples(r), NULL, 10) : 0;
	PQclear(r);
	return e;
}

enum err recount_days(struct pg *pg)
{
	const enum err e = pg_run(pg, SQL_recount_days, 0, NULL, NULL);
	return e == ERR_OK ? pg_run(pg, SQL_recount_analyze, 0, NULL, NULL) : e;
}

/* The first differences, as lines of "where: what". */
static enum err describe(struct pg *pg, enum recount_table t, int shown, struct buf *out)
{
	char limit[NUMBER_MAX];
	snprintf(limit, sizeof(limit), "%d", shown);
	const char *const of_table[] = {tables[t].name, limit}, *const of_rule[] = {limit};
	PGresult *r;
	const enum err e = t == RECOUNT_ATTRIBUTION
				   ? pg_run(pg, SQL_wrong_attributions_first, 1, of_rule, &r)
				   : pg_run(pg, SQL_differences_first, 2, of_table, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++)
		buf_addf(out, "%s: %s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
	PQclear(r);
	return e;
}

static enum err compare_sums(struct pg *pg, enum recount_table t, const struct recount_range *range,
			     struct finding *out)
{
	const char *const params[] = {range->first, range->last};
	PGresult *r;
	const enum err e = pg_run(pg, tables[t].compare, 2, params, &r);
	if (e != ERR_OK)
		return e;
	out->compared = pg_int(r, 0, 0);
	out->differ = pg_int(r, 0, 1);
	out->pending = pg_int(r, 0, 2);
	PQclear(r);
	return ERR_OK;
}

enum err recount_compare(struct pg *pg, enum recount_table t, const struct recount_range *range,
			 int shown, struct finding *out)
{
	const enum err e = t == RECOUNT_ATTRIBUTION ? path_check(pg, range->first, range->last,
								 &out->compared, &out->differ)
						    : compare_sums(pg, t, range, out);
	if (e != ERR_OK || out->differ == 0)
		return e;
	return describe(pg, t, shown, &out->details);
}

enum err recount_fences(struct pg *pg, const char *const topics[EVENT_KINDS],
			struct fence_count **counts, int *n)
{
	struct buf array = BUF_INIT;
	for (int k = 0; k < EVENT_KINDS; k++)
		buf_addf(&array, "%c\"%s\"", k == 0 ? '{' : ',', topics[k]);
	buf_addc(&array, '}');
	const char *const params[] = {array.data};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_compare_fences, 1, params, &r);
	buf_release(&array);
	if (e != ERR_OK)
		return e;
	*n = PQntuples(r);
	*counts = xcalloc((size_t)*n + 1, sizeof(**counts));
	for (int i = 0; i < *n; i++)
		(*counts)[i] = (struct fence_count){
			.partition = (int32_t)pg_int(r, i, 0),
			.topic = (enum event_kind)(pg_int(r, i, 1) - 1),
			.first_offset = pg_int(r, i, 2),
			.next_offset = pg_int(r, i, 3),
			.high_offset = pg_int(r, i, 4),
			.stored = pg_int(r, i, 5),
			.duplicate = pg_int(r, i, 6),
			.dead_lettered = pg_int(r, i, 7),
			.gaps = pg_int(r, i, 8),
			.reread = pg_int(r, i, 9),
			.events = pg_int(r, i, 10),
			.letters = pg_int(r, i, 11),
		};
	PQclear(r);
	return ERR_OK;
}

enum err recount_end(struct pg *pg)
{
	return pg_exec(pg, "COMMIT");
}
