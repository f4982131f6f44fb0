/*
 * Registering campaigns and asking for them.
 *
 * Runs on the writers.
 */
#include "store/campaigns.h"

#include "store/statement.h"

/* The ids as a PostgreSQL array. */
static void write_array(const struct uuid_set *ids, struct buf *out)
{
	static const struct uuid nil;
	char id[UUID_TEXT_LEN + 1];
	buf_addc(out, '{');
	for (size_t i = 0; i < ids->capacity; i++) {
		if (uuid_is_equal(&ids->slots[i], &nil))
			continue;
		uuid_format(&ids->slots[i], id);
		buf_addf(out, "%s%s", out->len > 1 ? "," : "", id);
	}
	buf_addc(out, '}');
}

enum err campaigns_learn(struct pg *pg, struct uuid_set *known, const struct uuid_set *ids,
			 bool may_register)
{
	struct buf array = BUF_INIT;
	PGresult *r = NULL;
	write_array(ids, &array);
	const char *const params[] = {array.data};
	enum err e = ERR_OK;
	if (may_register)
		e = pg_run(pg, SQL_register_campaigns, 1, params, NULL);
	if (e == ERR_OK)
		e = pg_run(pg, SQL_known_campaigns, 1, params, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
		struct uuid id;
		ASSERT(uuid_parse(PQgetvalue(r, i, 0), UUID_TEXT_LEN, &id));
		uuid_set_add(known, &id);
	}
	PQclear(r);
	buf_release(&array);
	return e;
}
