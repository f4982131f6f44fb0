/*
 * Reading the dated settings of attribution from PostgreSQL.
 *
 * Threads: the one that owns the connection.
 */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "domain/rules.h"
#include "store/pg.h"

/** The stored revision of the settings. */
enum err rules_revision(struct pg *pg, int64_t *out) MUST_CHECK;

/**
 * Bring @rules up to date: reads them if the stored revision is not *@revision, which is 0 at
 * first. Where conversions are booked this is done in the transaction, behind its first statement:
 * see lock_note in settings.c.
 */
enum err rules_follow(struct pg *pg, struct rules *rules, int64_t *revision) MUST_CHECK;

/** The same where the stored revision was read to be @now. */
enum err rules_follow_to(struct pg *pg, struct rules *rules, int64_t *revision,
			 int64_t now) MUST_CHECK;

/** Run a statement with the columns of rules.sql; its rows replace what is in @rules. */
enum err rules_read(struct pg *pg, enum sql sql, int n, const char *const *params,
		    struct rules *rules) MUST_CHECK;

#endif
