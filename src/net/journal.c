/*
 * Asking the journal actor for the journals of some days.
 *
 * Runs on CivetWeb's workers, which wait here for the journal actor.
 */
#include "net/journal.h"

#include <string.h>

#include "net/response.h"
#include "net/worker.h"
#include "util/clock.h"

#define JOURNAL_TIMEOUT_NS (60 * NS_PER_S)
#define EXPECTED_DATE "expected a date as YYYY-MM-DD"

enum key { KEY_DATE, KEY_FROM, KEY_TO, KEYS };

static const char *const names[KEYS] = {"date", "from", "to"};

static bool fail(struct journal_error *error, const char *field, const char *message)
{
	*error = (struct journal_error){.field = field, .message = message};
	return false;
}

static bool read_days(const cJSON *body, int32_t days[KEYS], bool seen[KEYS],
		      struct journal_error *error)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, body)
	{
		int k = 0;
		while (k < KEYS && strcmp(item->string, names[k]) != 0)
			k++;
		if (k == KEYS)
			return fail(error, item->string,
				    "unknown; expected \"date\", or \"from\" and \"to\"");
		if (seen[k])
			return fail(error, names[k], "stands twice; expected it once");
		seen[k] = true;
		if (!cJSON_IsString(item) ||
		    !date_parse(item->valuestring, strlen(item->valuestring), &days[k]))
			return fail(error, names[k], EXPECTED_DATE);
	}
	return true;
}

static bool check_days(const struct journal_wish *wish, int32_t today, const char *from_name,
		       const char *to_name, struct journal_error *error)
{
	if (wish->to >= today)
		return fail(error, to_name, "expected a day before today (UTC)");
	if (wish->from > wish->to)
		return fail(error, from_name, "expected a date not after \"to\"");
	if ((int64_t)wish->to - wish->from >= JOURNAL_DAYS_MAX)
		return fail(error, from_name, "expected at most 4000 days up to \"to\"");
	return true;
}

bool journal_wish_read(const cJSON *body, int32_t today, struct journal_wish *out,
		       struct journal_error *error)
{
	int32_t days[KEYS] = {0};
	bool seen[KEYS] = {false};
	*out = (struct journal_wish){.from = today - 1, .to = today - 1, .is_explicit = false};
	if (body != NULL && !cJSON_IsObject(body))
		return fail(error, "", "expected a JSON object, or no body");
	if (body != NULL && !read_days(body, days, seen, error))
		return false;
	if (!seen[KEY_DATE] && !seen[KEY_FROM] && !seen[KEY_TO])
		return true;
	out->is_explicit = true;
	if (seen[KEY_DATE]) {
		if (seen[KEY_FROM] || seen[KEY_TO])
			return fail(error, names[KEY_DATE],
				    "expected either \"date\", or \"from\" and \"to\"");
		out->from = out->to = days[KEY_DATE];
		return check_days(out, today, names[KEY_DATE], names[KEY_DATE], error);
	}
	if (!seen[KEY_FROM] || !seen[KEY_TO])
		return fail(error, names[seen[KEY_FROM] ? KEY_TO : KEY_FROM],
			    "missing; " EXPECTED_DATE);
	out->from = days[KEY_FROM];
	out->to = days[KEY_TO];
	return check_days(out, today, names[KEY_FROM], names[KEY_TO], error);
}

static void answer(struct request *r, const struct journal_wish *wish, int64_t journals)
{
	char from[DATE_TEXT_LEN + 1], to[DATE_TEXT_LEN + 1];
	struct buf *out = response_begin(r);
	date_format(wish->from, from);
	date_format(wish->to, to);
	buf_addf(out,
		 "{\"message\":\"%s calculated and saved successfully\",\"status\":\"success\","
		 "\"from\":\"%s\",\"to\":\"%s\",\"days\":%d,\"journals\":%lld}",
		 wish->is_explicit ? "Journals" : "Yesterday metrics", from, to,
		 wish->to - wish->from + 1, (long long)journals);
	response_send(r, 200);
}

static void write_journals(struct request *r, const struct journal_wish *wish)
{
	struct msg *m = msg_new(MSG_JOURNAL, 0);
	m->journal.from = wish->from;
	m->journal.to = wish->to;
	struct msg *done = worker_ask(r->w, LANE_JOURNAL, &m, clock_mono_ns() + JOURNAL_TIMEOUT_NS);
	if (done != NULL && done->journal.status == JOURNAL_OK)
		answer(r, wish, done->journal.journals);
	else
		response_error(
			r, 503, "unavailable", NULL,
			"the journals are not known to be written; repeating the request is safe");
	msg_free(done);
}

void journal_serve(struct request *r)
{
	struct journal_wish wish;
	struct journal_error error;
	const struct buf *body = &r->w->body;
	cJSON *tree = NULL;
	if (!request_read_body(r, (size_t)r->w->deps->cfg->body_max_bytes))
		return;
	if (body->len > 0) {
		if (!request_check_media(r, false))
			return;
		tree = request_parse_json(r);
		if (tree == NULL)
			return;
	}
	if (journal_wish_read(tree, day_of_ms(r->now_ms), &wish, &error))
		write_journals(r, &wish);
	else
		response_error(r, 400, error.field[0] == '\0' ? "invalid_json" : "invalid_field",
			       error.field, "%s", error.message);
	cJSON_Delete(tree);
}
