/*
 * Time zones, by PostgreSQL's own copy of the IANA database: when local days and hours begin.
 *
 * Overview: the names are read once for each connection's owner and kept; what PostgreSQL takes
 * besides them (abbreviations, POSIX rules) is no zone here. Threads: the one that owns the
 * connection.
 */
#ifndef STORE_ZONES_H
#define STORE_ZONES_H

#include "store/pg.h"

struct zones {
	char **names; /* sorted without case; NULL before they were read */
	size_t n;
};

void zones_release(struct zones *z);

/** Read the names, unless they were; it takes a while, so it is better done before somebody asks.
 */
enum err zones_load(struct zones *z, struct pg *pg) MUST_CHECK;

/** Replace @zone by its name as the database writes it. ERR_NOT_FOUND: there is none of it. */
enum err zones_find(struct zones *z, struct pg *pg, char *zone, size_t size) MUST_CHECK;

/** The zone's day at @ms. */
enum err zone_today(struct pg *pg, const char *zone, int64_t ms, int32_t *out) MUST_CHECK;

/** The first instant of each of @n days, in seconds since 1970. */
enum err zone_days(struct pg *pg, const char *zone, const int32_t *days, uint32_t n,
		   int64_t *out) MUST_CHECK;

/** The hours that begin in [@from_s, @to_s), ascending, and the offsets of their local time in
 * seconds; the caller frees both. */
enum err zone_hours(struct pg *pg, const char *zone, int64_t from_s, int64_t to_s, int64_t **lows,
		    int32_t **offsets, uint32_t *n) MUST_CHECK;

#endif
