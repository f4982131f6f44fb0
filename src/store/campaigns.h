/*
 * The register of campaigns: ids get in when their first event is processed.
 *
 * Overview: writers keep the ids they know; for the others they ask, and register them first if
 * they may, in a short transaction of its own and in id order, so that two writers cannot deadlock.
 * Threads: the one that owns the connection.
 */
#ifndef STORE_CAMPAIGNS_H
#define STORE_CAMPAIGNS_H

#include "store/pg.h"
#include "util/uuid_set.h"

/** Add those of @ids to @known that are registered, after registering them all if @may_register. */
enum err campaigns_learn(struct pg *pg, struct uuid_set *known, const struct uuid_set *ids,
			 bool may_register) MUST_CHECK;

#endif
