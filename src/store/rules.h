/*
 * Reading the dated settings of attribution from PostgreSQL.
 *
 * Threads: the one that owns the connection.
 */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "domain/rules.h"
#include "store/pg.h"

/**
 * Bring @rules up to date: reads them if the stored revision is not *@revision, which is 0 at
 * first. A setting holds for conversions later than any that may have been booked when it is made,
 * so rules that were read a moment before serve as well.
 */
enum err rules_follow(struct pg *pg, struct rules *rules, int64_t *revision) MUST_CHECK;

/** Read @rules by a statement with the results of rules.sql. */
enum err rules_read(struct pg *pg, enum sql sql, struct rules *rules) MUST_CHECK;

#endif
