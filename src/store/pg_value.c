/*
 * Reading values of text results; see store/statement.h.
 *
 * Pure functions over the result.
 */
#include <stdlib.h>

#include "store/statement.h"

int64_t pg_int(const PGresult *r, int row, int col)
{
	return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

int64_t pg_int_or(const PGresult *r, int row, int col, int64_t otherwise)
{
	return PQgetisnull(r, row, col) ? otherwise : pg_int(r, row, col);
}

struct uuid pg_uuid(const PGresult *r, int row, int col)
{
	struct uuid id;
	ASSERT(uuid_parse(PQgetvalue(r, row, col), UUID_TEXT_LEN, &id));
	return id;
}

struct uuid pg_uuid_or_nil(const PGresult *r, int row, int col)
{
	struct uuid id = {{0}};
	(void)!uuid_parse(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col), &id);
	return id;
}

struct text pg_text(const PGresult *r, int row, int col)
{
	return (struct text){PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col)};
}
