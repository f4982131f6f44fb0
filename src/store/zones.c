/*
 * Time zones: a kept list of names, and three statements.
 *
 * Runs on the query actors.
 */
#include "store/zones.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/statement.h"

#define NUMBER_MAX 24

void zones_release(struct zones *z)
{
	for (size_t i = 0; i < z->n; i++)
		free(z->names[i]);
	free(z->names);
	*z = (struct zones){0};
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcasecmp(*x, *y);
}

enum err zones_load(struct zones *z, struct pg *pg)
{
	PGresult *r;
	if (z->names != NULL)
		return ERR_OK;
	const enum err e = pg_run(pg, SQL_zone_names, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	z->n = (size_t)PQntuples(r);
	z->names = xcalloc(z->n + 1, sizeof(*z->names));
	for (size_t i = 0; i < z->n; i++)
		z->names[i] = xstrdup(PQgetvalue(r, (int)i, 0));
	PQclear(r);
	qsort(z->names, z->n, sizeof(*z->names), compare_names);
	return ERR_OK;
}

enum err zones_find(struct zones *z, struct pg *pg, char *zone, size_t size)
{
	const enum err e = zones_load(z, pg);
	if (e != ERR_OK)
		return e;
	const char *key = zone;
	char *const *name = bsearch(&key, z->names, z->n, sizeof(*z->names), compare_names);
	if (name == NULL || strlen(*name) >= size)
		return ERR_NOT_FOUND;
	memcpy(zone, *name, strlen(*name) + 1);
	return ERR_OK;
}

enum err zone_today(struct pg *pg, const char *zone, int64_t ms, int32_t *out)
{
	char text[NUMBER_MAX];
	snprintf(text, sizeof(text), "%" PRId64, ms);
	const char *const params[] = {zone, text};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_zone_today, 2, params, &r);
	if (e == ERR_OK)
		*out = (int32_t)pg_int(r, 0, 0);
	PQclear(r);
	return e;
}

enum err zone_days(struct pg *pg, const char *zone, const int32_t *days, uint32_t n, int64_t *out)
{
	struct buf array = BUF_INIT;
	for (uint32_t i = 0; i < n; i++)
		buf_addf(&array, "%c%" PRId32, i == 0 ? '{' : ',', days[i]);
	buf_adds(&array, n == 0 ? "{}" : "}");
	const char *const params[] = {zone, array.data};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_zone_days, 2, params, &r);
	for (uint32_t i = 0; e == ERR_OK && i < n; i++)
		out[i] = pg_int(r, (int)i, 0);
	PQclear(r);
	buf_release(&array);
	return e;
}

enum err zone_hours(struct pg *pg, const char *zone, int64_t from_s, int64_t to_s, int64_t **lows,
		    int32_t **offsets, uint32_t *n)
{
	char texts[2][NUMBER_MAX];
	snprintf(texts[0], NUMBER_MAX, "%" PRId64, from_s);
	snprintf(texts[1], NUMBER_MAX, "%" PRId64, to_s);
	const char *const params[] = {zone, texts[0], texts[1]};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_zone_hours, 3, params, &r);
	if (e != ERR_OK)
		return e;
	*n = (uint32_t)PQntuples(r);
	*lows = xcalloc((size_t)*n + 1, sizeof(**lows));
	*offsets = xcalloc((size_t)*n + 1, sizeof(**offsets));
	for (uint32_t i = 0; i < *n; i++) {
		(*lows)[i] = pg_int(r, (int)i, 0);
		(*offsets)[i] = (int32_t)pg_int(r, (int)i, 1);
	}
	PQclear(r);
	return ERR_OK;
}
