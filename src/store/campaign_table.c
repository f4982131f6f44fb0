/*
 * Campaigns: from rows of text to our structs.
 *
 * Runs on the registrar and the query actors, each with a connection of its own.
 */
#include "store/campaign_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/settings.h"
#include "store/statement.h"
#include "util/json.h"

#define NUMBER_MAX 24

/* The columns of every statement here; the first one differs. */
enum column {
	COLUMN_FIRST,
	COLUMN_ID,
	COLUMN_NAME,
	COLUMN_STATUS,
	COLUMN_URL,
	COLUMN_TAGS,
	COLUMN_REVISION,
	COLUMN_CREATED,
	COLUMN_UPDATED,
	COLUMN_WINDOWS,
};

static const char *text_or_null(const PGresult *r, int row, enum column column)
{
	return PQgetisnull(r, row, (int)column) ? NULL : PQgetvalue(r, row, (int)column);
}

/* The windows of a row, whose texts are borrowed from @tree: [type, from, length] each. */
static struct window_rule *read_windows(const cJSON *tree, struct campaign *c)
{
	struct window_rule *windows =
		xcalloc((size_t)cJSON_GetArraySize(tree) + 1, sizeof(*windows));
	const cJSON *item;
	cJSON_ArrayForEach(item, tree)
	{
		const cJSON *type = item->child, *from = type->next, *length = from->next;
		struct window_rule *w = &windows[c->n_windows++];
		w->campaign_id = c->id;
		w->type = (struct text){type->valuestring, strlen(type->valuestring)};
		w->from_ms = cJSON_IsNull(from) ? SETTING_ALWAYS : (int64_t)from->valuedouble;
		w->lookback_ms = cJSON_IsNull(length) ? -1 : (int64_t)length->valuedouble;
	}
	c->windows = windows;
	return windows;
}

static const char **read_tags(const cJSON *tree, struct campaign *c)
{
	const char **tags = xcalloc((size_t)cJSON_GetArraySize(tree) + 1, sizeof(*tags));
	const cJSON *tag;
	cJSON_ArrayForEach(tag, tree)
	{
		if (cJSON_IsString(tag)) /* a NULL that somebody wrote is none */
			tags[c->n_tags++] = tag->valuestring;
	}
	c->tags = tags;
	return tags;
}

static struct campaign *read_row(const PGresult *r, int row)
{
	struct campaign c = {
		.revision = pg_int(r, row, COLUMN_REVISION),
		.created_us = pg_int(r, row, COLUMN_CREATED),
		.updated_us = pg_int(r, row, COLUMN_UPDATED),
		.name = text_or_null(r, row, COLUMN_NAME),
		.target_url = text_or_null(r, row, COLUMN_URL),
	};
	ASSERT(uuid_parse(PQgetvalue(r, row, COLUMN_ID), UUID_TEXT_LEN, &c.id));
	ASSERT(campaign_status_parse(PQgetvalue(r, row, COLUMN_STATUS), &c.status));
	cJSON *tags = cJSON_Parse(PQgetvalue(r, row, COLUMN_TAGS));
	cJSON *windows = cJSON_Parse(PQgetvalue(r, row, COLUMN_WINDOWS)); /* NULL: none */
	const char **tag_texts = read_tags(tags, &c);
	struct window_rule *rules = read_windows(windows, &c);
	struct campaign *made = campaign_new(&c);
	free(tag_texts);
	free(rules);
	cJSON_Delete(tags);
	cJSON_Delete(windows);
	return made;
}

/* Append the rows that have a campaign; frees the result. */
static void take_rows(PGresult *r, struct campaign_list *out)
{
	const size_t n = (size_t)PQntuples(r);
	if (out->n + n > out->cap) {
		out->cap = (out->n + n) * 2;
		out->rows = xrealloc(out->rows, out->cap * sizeof(struct campaign *));
	}
	for (int i = 0; i < (int)n; i++) {
		if (!PQgetisnull(r, i, COLUMN_ID))
			out->rows[out->n++] = read_row(r, i);
	}
	PQclear(r);
}

void campaign_list_release(struct campaign_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->rows[i]);
	free(list->rows);
	*list = (struct campaign_list){0};
}

enum err campaigns_snapshot(struct pg *pg, char **snapshot)
{
	PGresult *r;
	const enum err e = pg_run(pg, SQL_snapshot, 0, NULL, &r);
	if (e != ERR_OK)
		return e;
	*snapshot = xstrdup(PQgetvalue(r, 0, 0));
	PQclear(r);
	return ERR_OK;
}

enum err campaigns_changed(struct pg *pg, char **snapshot, struct campaign_list *out)
{
	const char *const params[] = {*snapshot};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_changed_campaigns, 1, params, &r);
	if (e != ERR_OK)
		return e;
	free(*snapshot);
	*snapshot = xstrdup(PQgetvalue(r, 0, COLUMN_FIRST));
	take_rows(r, out);
	return ERR_OK;
}

enum err campaigns_page(struct pg *pg, const struct uuid *after, int limit,
			struct campaign_list *out)
{
	char id[UUID_TEXT_LEN + 1], rows[NUMBER_MAX];
	uuid_format(after, id);
	snprintf(rows, sizeof(rows), "%d", limit);
	const char *const params[] = {id, rows};
	PGresult *r;
	const enum err e = pg_run(pg, SQL_campaigns_page, 2, params, &r);
	if (e == ERR_OK)
		take_rows(r, out);
	return e;
}

/* One statement. */
static enum err do_plain(struct pg *pg, enum campaign_op op, struct msg_campaign *m)
{
	static const struct {
		enum sql sql;
		int n;
		enum campaign_outcome none; /* what no campaign means */
	} ops[] = {
		[CAMPAIGN_READ] = {SQL_read_campaign, 1, CAMPAIGN_UNKNOWN},
		[CAMPAIGN_CREATE] = {SQL_create_campaign, 5, CAMPAIGN_EXISTS},
		[CAMPAIGN_PATCH] = {SQL_patch_campaign, 6, CAMPAIGN_UNKNOWN},
	};
	char id[UUID_TEXT_LEN + 1], revision[NUMBER_MAX];
	uuid_format(&m->id, id);
	snprintf(revision, sizeof(revision), "%" PRId64, m->if_revision);
	const char *const params[] = {id,	 m->name,
				      m->status, m->target_url,
				      m->tags,	 m->if_revision != 0 ? revision : NULL};
	PGresult *r;
	const enum err e = pg_run(pg, ops[op].sql, ops[op].n, params, &r);
	if (e != ERR_OK)
		return e;
	m->outcome = ops[op].none;
	if (PQntuples(r) == 1 && !PQgetisnull(r, 0, COLUMN_ID)) {
		m->outcome = CAMPAIGN_DONE;
		free(m->campaign);
		m->campaign = read_row(r, 0);
	} else if (op == CAMPAIGN_PATCH && *PQgetvalue(r, 0, COLUMN_FIRST) == 't') {
		m->outcome = CAMPAIGN_CHANGED;
	}
	PQclear(r);
	return ERR_OK;
}

/* The change and the windows, which are dated as early as may be. */
static enum err do_with_windows(struct pg *pg, const struct config *cfg, struct msg_campaign *m)
{
	char id[UUID_TEXT_LEN + 1], from[NUMBER_MAX];
	const char *const params[] = {id, m->windows, from};
	enum err e = settings_begin(pg);
	if (e != ERR_OK)
		return e;
	uuid_format(&m->id, id);
	snprintf(from, sizeof(from), "%" PRId64, settings_earliest_ms(cfg));
	e = do_plain(pg, m->op, m);
	if (e == ERR_OK && m->outcome == CAMPAIGN_DONE) {
		e = pg_run(pg, SQL_set_campaign_windows, 3, params, NULL);
		if (e == ERR_OK)
			e = do_plain(pg, CAMPAIGN_READ, m);
		if (e == ERR_OK)
			return pg_commit(pg);
	}
	pg_rollback(pg);
	return e;
}

enum err campaign_do(struct pg *pg, const struct config *cfg, struct msg_campaign *m)
{
	const enum err e =
		m->windows == NULL ? do_plain(pg, m->op, m) : do_with_windows(pg, cfg, m);
	if (e != ERR_OK)
		m->outcome = CAMPAIGN_FAILED;
	return e;
}
