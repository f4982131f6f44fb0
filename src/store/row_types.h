/*
 * The types of staged rows: composite types of the session, of which statements take arrays.
 *
 * Overview: schema/queries/writer_session.sql and paths_session.sql make them, so their numbers are
 * another connection's others. Usage: row_types_learn(), then rows_begin(&b, types.of[ROW_CLICK])
 * of store/copy_rows.h. Threads: the one that owns the connection.
 */
#ifndef STORE_ROW_TYPES_H
#define STORE_ROW_TYPES_H

#include "store/pg.h"

/* The columns of row_types.sql; the first are by kind of event. */
enum row_type {
	ROW_CLICK,
	ROW_CONVERSION,
	ROW_ADJUSTMENT,
	ROW_DELTA,
	ROW_SHARE,
	ROW_CLICK_DELTA,
	ROW_TYPES
};

struct row_types {
	uint64_t session; /* that they were learnt in; 0: none */
	uint32_t of[ROW_TYPES];
};

/** Ask for them, unless they are known of this connection. */
enum err row_types_learn(struct row_types *types, struct pg *pg) MUST_CHECK;

#endif
