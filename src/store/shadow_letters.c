/*
 * Letters and what is put off because of them.
 *
 * Runs on main.
 */
#include "store/shadow_letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/decode.h"
#include "domain/topic.h"
#include "store/statement.h"

#define WANTED_MAX 5000 /* events looked for at a time */

/*
 * Reasons under which messages are kept at first; shadow_deferred.sql knows them. One that stands
 * for itself, PUT_OFF, is a conflict; the others become what their last word says.
 */
#define PUT_OFF "put_off"
#define PUT_OFF_UNKNOWN "put_off_" DEAD_UNKNOWN_CAMPAIGN
#define PUT_OFF_REFUSED "put_off_" DEAD_REFUSED
#define KEPT_UNKNOWN "kept_" DEAD_UNKNOWN_CAMPAIGN
#define KEPT_REFUSED "kept_" DEAD_REFUSED

/* What is being read. */
struct letters {
	struct pg *pg;
	const struct config *cfg;
	int32_t partitions;
	struct shadow_letter *items;
	size_t n;
};

static int compare_letters(const void *a, const void *b)
{
	const struct shadow_letter *x = a, *y = b;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	if (x->topic != y->topic)
		return x->topic < y->topic ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* A bytea of a text result; NULL for NULL. Freed with PQfreemem. */
static char *bytes_of(const PGresult *r, int row, int col, uint32_t *len)
{
	size_t n = 0;
	unsigned char *bytes = NULL;
	if (!PQgetisnull(r, row, col))
		bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(r, row, col), &n);
	*len = (uint32_t)n;
	return (char *)bytes;
}

/* Letters whose events are to be looked for. */
struct wanted {
	struct buf ids, times; /* arrays */
	size_t letters[WANTED_MAX];
	int n;
};

static void want(struct wanted *w, size_t letter, const struct event *event)
{
	char id[UUID_TEXT_LEN + 1];
	uuid_format(&event->id, id);
	buf_addf(&w->ids, "%c%s", w->n == 0 ? '{' : ',', id);
	buf_addf(&w->times, "%c%lld", w->n == 0 ? '{' : ',', (long long)event->time_ms);
	w->letters[w->n++] = letter;
}

/* Its event is stored all the same. */
static void put_off(struct shadow_letter *letter)
{
	letter->reason =
		strcmp(letter->reason, KEPT_REFUSED) == 0 ? PUT_OFF_REFUSED : PUT_OFF_UNKNOWN;
}

/* Which of them are stored all the same? */
static enum err look_for(struct letters *l, enum event_kind kind, struct wanted *w)
{
	static const enum sql find[EVENT_KINDS] = {
		[EVENT_CLICK] = SQL_shadow_clicks,
		[EVENT_CONVERSION] = SQL_shadow_conversions,
		[EVENT_ADJUSTMENT] = SQL_shadow_adjustments,
	};
	PGresult *r = NULL;
	if (w->n == 0)
		return ERR_OK;
	buf_addc(&w->ids, '}');
	buf_addc(&w->times, '}');
	const char *const params[] = {w->ids.data, w->times.data};
	const enum err e = pg_run(l->pg, find[kind], 2, params, &r);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++)
		put_off(&l->items[w->letters[pg_int(r, i, 0) - 1]]);
	PQclear(r);
	buf_clear(&w->ids);
	buf_clear(&w->times);
	w->n = 0;
	return e;
}

/* Read a letter's message to see whether its event is stored. */
static enum err look_into(struct letters *l, size_t letter, const PGresult *r, int row,
			  struct wanted wanted[EVENT_KINDS])
{
	const struct shadow_letter *it = &l->items[letter];
	struct arena arena = ARENA_INIT;
	struct record record = {.topic = it->topic, .offset = it->offset};
	struct event event;
	const char *detail;
	char *payload = bytes_of(r, row, 4, &record.payload_len);
	enum err e = ERR_OK;
	record.payload = payload;
	if (record_decode(&record, it->partition, l->partitions, &arena, &event, &detail) == NULL)
		want(&wanted[it->topic], letter, &event);
	if (wanted[it->topic].n == WANTED_MAX)
		e = look_for(l, it->topic, &wanted[it->topic]);
	PQfreemem(payload);
	arena_release(&arena);
	return e;
}

/* The reason to keep a message under that is a letter for this one. */
static const char *first_reason(const char *reason)
{
	if (strcmp(reason, DEAD_CONFLICT) == 0)
		return PUT_OFF;
	return strcmp(reason, DEAD_REFUSED) == 0 ? KEPT_REFUSED : KEPT_UNKNOWN;
}

static enum err fill_letters(struct letters *l, const PGresult *r,
			     struct wanted wanted[EVENT_KINDS])
{
	enum err e = ERR_OK;
	l->items = xcalloc((size_t)PQntuples(r) + 1, sizeof(*l->items));
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
		struct shadow_letter *letter = &l->items[l->n];
		if (!topic_parse(l->cfg, PQgetvalue(r, i, 0), &letter->topic))
			continue; /* of topics that there were before */
		letter->partition = (int32_t)pg_int(r, i, 1);
		letter->offset = pg_int(r, i, 2);
		letter->reason = first_reason(PQgetvalue(r, i, 3));
		if (strcmp(letter->reason, PUT_OFF) != 0)
			e = look_into(l, l->n, r, i, wanted);
		l->n++;
	}
	for (int k = 0; e == ERR_OK && k < EVENT_KINDS; k++)
		e = look_for(l, (enum event_kind)k, &wanted[k]);
	return e;
}

enum err letters_read(struct pg *pg, const struct config *cfg, int32_t partitions,
		      struct shadow_letter **out, size_t *n)
{
	struct letters l = {.pg = pg, .cfg = cfg, .partitions = partitions};
	PGresult *r;
	enum err e = pg_run(pg, SQL_shadow_letters, 0, NULL, &r);
	if (e == ERR_OK) {
		struct wanted *wanted = xcalloc(EVENT_KINDS, sizeof(*wanted));
		e = fill_letters(&l, r, wanted);
		PQclear(r);
		for (int k = 0; k < EVENT_KINDS; k++) {
			buf_release(&wanted[k].ids);
			buf_release(&wanted[k].times);
		}
		free(wanted);
		qsort(l.items, l.n, sizeof(*l.items), compare_letters);
	}
	*out = l.items;
	*n = l.n;
	return e;
}

/* Open a fence for reading again, or close it. */
static enum err set_again(struct pg *pg, int32_t partition, bool begin)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", partition);
	const char *const params[] = {text, begin ? "true" : "false"};
	return pg_run(pg, SQL_shadow_again, 2, params, NULL);
}

enum err letters_take_back(struct pg *pg, const struct config *cfg, int32_t partition,
			   letter_record_fn *fn, void *context)
{
	PGresult *r;
	char text[16];
	snprintf(text, sizeof(text), "%d", partition);
	const char *const params[] = {text};
	enum err e = pg_run(pg, SQL_shadow_deferred, 1, params, &r);
	if (e != ERR_OK)
		return e;
	if (PQntuples(r) > 0)
		e = set_again(pg, partition, true);
	for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
		struct record record = {.offset = pg_int(r, i, 1)};
		char *key = bytes_of(r, i, 2, &record.key_len);
		char *payload = bytes_of(r, i, 3, &record.payload_len);
		record.key = key;
		record.payload = payload;
		if (topic_parse(cfg, PQgetvalue(r, i, 0), &record.topic))
			fn(context, &record);
		PQfreemem(key);
		PQfreemem(payload);
	}
	PQclear(r);
	return e;
}

enum err letters_settle(struct pg *pg, int32_t partition)
{
	return set_again(pg, partition, false);
}
