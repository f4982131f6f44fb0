/*
 * The types of staged rows.
 *
 * Runs on the writers, and on main in the tools.
 */
#include "store/row_types.h"

#include "store/statement.h"

enum err row_types_learn(struct row_types *types, struct pg *pg)
{
	PGresult *r;
	if (types->session == pg_sessions(pg))
		return ERR_OK;
	const enum err e = pg_run(pg, SQL_row_types, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	for (int i = 0; i < ROW_TYPES; i++)
		types->of[i] = (uint32_t)pg_int_or(r, 0, i, 0);
	types->session = pg_sessions(pg);
	PQclear(r);
	return ERR_OK;
}
