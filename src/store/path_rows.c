/*
 * Reading and writing rows of paths and cells.
 *
 * Runs on the writers, and on main in the tools.
 */
#include "store/path_rows.h"

#include <string.h>

#include "store/copy_rows.h"
#include "store/statement.h"

struct touch path_row_touch(const PGresult *r, int row, int col)
{
	/* Somebody may have written anything: nil for what is no id. */
	return (struct touch){pg_uuid_or_nil(r, row, col),
			      pg_int(r, row, col + CLICK_TIME - CLICK_ID),
			      pg_uuid_or_nil(r, row, col + CLICK_CAMPAIGN - CLICK_ID),
			      pg_text(r, row, col + CLICK_SOURCE - CLICK_ID)};
}

void path_rows_read(const PGresult *r, int first, int end, struct arena *arena, struct path *out)
{
	*out = (struct path){
		.n = PQgetisnull(r, first, CLICK_ID) ? 0 : (uint32_t)(end - first),
		.extras = (uint32_t)pg_int(r, first, PATH_EXTRAS),
		.beyond = (uint32_t)pg_int(r, first, PATH_BEYOND),
		.last = -1,
	};
	out->touches = arena_alloc(arena, (out->n + 1) * sizeof(*out->touches));
	out->credits = arena_alloc(arena, MODELS * (out->n + 1) * sizeof(*out->credits));
	for (uint32_t i = 0; i < out->n; i++) {
		struct touch *t = &out->touches[i];
		*t = path_row_touch(r, first + (int)i, CLICK_ID);
		t->source.data = arena_strndup(arena, t->source.data, t->source.len);
		for (int m = 0; m < MODELS; m++)
			out->credits[(uint32_t)m * out->n + i] =
				(int32_t)pg_int(r, first + (int)i, PATH_CREDITS + m);
		if (out->credits[MODEL_LAST_CLICK * out->n + i] > 0)
			out->last = (int32_t)i;
	}
}

bool path_row_is_torn(const PGresult *r, int row, const struct path *p)
{
	if (p->last < 0 || PQgetisnull(r, row, PATH_LAST_ID) || PQgetisnull(r, row, PATH_LAST_TIME))
		return p->last >= 0 || !PQgetisnull(r, row, PATH_LAST_ID);
	const struct uuid id = pg_uuid_or_nil(r, row, PATH_LAST_ID);
	const struct touch *last = &p->touches[p->last];
	return !uuid_is_equal(&id, &last->click_id) ||
	       pg_int(r, row, PATH_LAST_TIME) != last->time_ms;
}

struct worth path_row_worth(const PGresult *r, int row, int adjusted, int64_t value_minor)
{
	const bool is_adjusted = !PQgetisnull(r, row, adjusted);
	return (struct worth){
		.value_minor = is_adjusted ? pg_int(r, row, adjusted) : value_minor,
		.is_adjusted = is_adjusted,
		.is_cancelled = *PQgetvalue(r, row, adjusted + 1) == 't',
	};
}

static void copy_touches(struct buf *rows, const struct path *p)
{
	size_t begin = copy_array(rows, PG_OID_UUID, p->n);
	for (uint32_t i = 0; i < p->n; i++)
		copy_bytes(rows, &p->touches[i].click_id, sizeof(struct uuid));
	copy_array_end(rows, begin);
	begin = copy_array(rows, PG_OID_TIMESTAMPTZ, p->n);
	for (uint32_t i = 0; i < p->n; i++)
		copy_time(rows, p->touches[i].time_ms);
	copy_array_end(rows, begin);
	begin = copy_array(rows, PG_OID_UUID, p->n);
	for (uint32_t i = 0; i < p->n; i++)
		copy_bytes(rows, &p->touches[i].campaign_id, sizeof(struct uuid));
	copy_array_end(rows, begin);
	begin = copy_array(rows, PG_OID_TEXT, p->n);
	for (uint32_t i = 0; i < p->n; i++)
		copy_bytes(rows, p->touches[i].source.data, p->touches[i].source.len);
	copy_array_end(rows, begin);
}

void path_row_copy(struct buf *rows, uint32_t t, const struct path *p)
{
	copy_row(rows, 10);
	copy_int4(rows, (int32_t)t);
	if (p->last >= 0) {
		copy_bytes(rows, &p->touches[p->last].click_id, sizeof(struct uuid));
		copy_time(rows, p->touches[p->last].time_ms);
	} else {
		copy_null(rows);
		copy_null(rows);
	}
	copy_int4(rows, (int32_t)p->extras);
	copy_int4(rows, (int32_t)p->beyond);
	copy_touches(rows, p);
	const size_t begin = copy_array(rows, PG_OID_INT4, MODELS * p->n);
	for (uint32_t i = 0; i < MODELS * p->n; i++)
		copy_int4(rows, p->credits[i]);
	copy_array_end(rows, begin);
}

void cell_row_add(struct buf *rows, const struct cell *c)
{
	const char *model = model_word(c->model);
	const size_t begin = rows_add(rows, 9);
	row_field(rows, PG_OID_UUID);
	copy_bytes(rows, &c->campaign_id, sizeof(c->campaign_id));
	row_field(rows, PG_OID_TEXT);
	copy_bytes(rows, c->source.data, c->source.len);
	row_field(rows, PG_OID_TEXT);
	copy_bytes(rows, c->type.data, c->type.len);
	row_field(rows, PG_OID_TEXT);
	copy_bytes(rows, model, strlen(model));
	row_field(rows, PG_OID_TIMESTAMPTZ);
	copy_time(rows, c->bucket_ms);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, c->credit);
	row_field(rows, PG_OID_NUMERIC);
	copy_numeric(rows, c->value_minor);
	row_field(rows, PG_OID_INT8);
	copy_int8(rows, c->unattributed);
	row_field(rows, PG_OID_NUMERIC);
	copy_numeric(rows, c->unattributed_value_minor);
	copy_array_end(rows, begin);
}
