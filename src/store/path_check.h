/*
 * Every stored conversion's path and credits beside what the rules make of its user's clicks.
 *
 * Threads: the one that uses the connection.
 */
#ifndef STORE_PATH_CHECK_H
#define STORE_PATH_CHECK_H

#include "store/pg.h"

/**
 * Make the paths of the conversions of some UTC days anew, piece by piece, inside the snapshot of
 * store/recount.h; those that are stored otherwise are kept in wrong_attributions.
 * @first, @last: PostgreSQL's dates.
 */
enum err path_check(struct pg *pg, const char *first, const char *last, int64_t *compared,
		    int64_t *wrong) MUST_CHECK;

#endif
