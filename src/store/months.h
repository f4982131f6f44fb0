/*
 * The monthly partitions of the event tables: made when a month is first needed.
 *
 * Overview: months from 2000 to 2099 have a partition each; what lies outside shares one on either
 * side, made by the migration. Making one is a short transaction of its own, harmless to repeat.
 * Threads: the one that owns connection and struct.
 */
#ifndef STORE_MONTHS_H
#define STORE_MONTHS_H

#include "domain/event.h"
#include "store/pg.h"

#define MONTHS_COUNT 1200

/* The partitions known to exist; zeroed: none. */
struct months {
	bool known[EVENT_KINDS][MONTHS_COUNT];
};

/** Make sure that events of @kind on @day (days since 1970) have a partition. Outside of
 * transactions. */
enum err months_ensure(struct pg *pg, struct months *months, enum event_kind kind,
		       int32_t day) MUST_CHECK;

#endif
