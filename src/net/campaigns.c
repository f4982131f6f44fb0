/*
 * The routes of campaigns.
 *
 * Runs on CivetWeb's workers, which wait here for a query actor and, after it, the registrar.
 */
#include "net/campaigns.h"

#include <civetweb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/campaign_page.h"
#include "net/response.h"
#include "net/worker.h"
#include "util/clock.h"

#define REGISTRAR_EXTRA_NS (3 * NS_PER_S) /* it answers within its statements' timeout */
#define FIELDS_MAX 128

static void answer_campaign(struct request *r, int status, const struct campaign *c)
{
	char id[UUID_TEXT_LEN + 1], fields[FIELDS_MAX];
	struct buf *out = response_begin(r);
	campaign_write(c, r->now_ms, out);
	uuid_format(&c->id, id);
	if (status == 201)
		snprintf(fields, sizeof(fields),
			 "ETag: \"%" PRId64 "\"\r\nLocation: /api/campaigns/%s\r\n", c->revision,
			 id);
	else
		snprintf(fields, sizeof(fields), "ETag: \"%" PRId64 "\"\r\n", c->revision);
	response_send_more(r, status, "application/json", fields);
}

static void answer_failed(struct request *r, enum campaign_op op)
{
	r->id_key = op == CAMPAIGN_CREATE ? "campaign_id" : NULL;
	response_error(r, 503, "unavailable", NULL,
		       op == CAMPAIGN_READ     ? "the campaign cannot be read now"
		       : op == CAMPAIGN_CREATE ? "the campaign is not known to be created; repeat "
						 "the request with this campaign_id, and 409 "
						 "means that it was"
					       : "the change is not known to be made; repeating it "
						 "is safe");
}

/* Hand @m to a query actor and answer with what becomes of it. Takes the message. */
static void ask(struct request *r, struct msg *m)
{
	struct worker *w = r->w;
	const enum campaign_op op = m->campaign.op;
	r->id = m->campaign.id;
	struct msg *answer = worker_ask_query(w, &m, op == CAMPAIGN_READ ? 0 : REGISTRAR_EXTRA_NS);
	switch (answer == NULL ? CAMPAIGN_FAILED : answer->campaign.outcome) {
	case CAMPAIGN_DONE:
		answer_campaign(r, op == CAMPAIGN_CREATE ? 201 : 200, answer->campaign.campaign);
		break;
	case CAMPAIGN_UNKNOWN:
		response_error(r, 404, "unknown_campaign", "campaign_id",
			       "there is no campaign of this id");
		break;
	case CAMPAIGN_EXISTS:
		response_error(r, 409, "conflict", "campaign_id",
			       "campaign_id: there is a campaign of this id already; PATCH "
			       "changes it");
		break;
	case CAMPAIGN_CHANGED:
		response_error(r, 412, "precondition_failed", NULL,
			       "the campaign has another revision than If-Match says");
		break;
	case CAMPAIGN_FAILED:
		answer_failed(r, op);
		break;
	}
	msg_free(answer);
}

/* Copy @text to *@at and move *@at behind it. */
static const char *place(char **at, const char *text)
{
	char *start = *at;
	if (text == NULL)
		return NULL;
	const size_t size = strlen(text) + 1;
	memcpy(start, text, size);
	*at += size;
	return start;
}

static struct msg *message(const struct campaign_wish *wish, enum campaign_op op)
{
	struct buf tags = BUF_INIT, windows = BUF_INIT;
	const bool has_tags = wish->tags != NULL || wish->no_tags;
	if (has_tags)
		campaign_wish_write_tags(wish, &tags);
	if (wish->windows != NULL)
		campaign_windows_write(wish->windows, &windows);
	const char *const texts[] = {wish->name, wish->status, wish->target_url,
				     has_tags ? tags.data : NULL, windows.data};
	size_t size = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		size += texts[i] == NULL ? 0 : strlen(texts[i]) + 1;
	struct msg *m = msg_new(MSG_CAMPAIGN, size);
	char *at = m->bytes;
	m->campaign.op = op;
	m->campaign.name = place(&at, texts[0]);
	m->campaign.status = place(&at, texts[1]);
	m->campaign.target_url = place(&at, texts[2]);
	m->campaign.tags = place(&at, texts[3]);
	m->campaign.windows = place(&at, texts[4]);
	buf_release(&tags);
	buf_release(&windows);
	return m;
}

/* The body as a wish; the tree is the caller's. NULL: answered. */
static cJSON *read_wish(struct request *r, bool creates, struct campaign_wish *out)
{
	struct refusal error;
	if (!request_check_media(r, false) ||
	    !request_read_body(r, (size_t)r->w->deps->cfg->body_max_bytes))
		return NULL;
	cJSON *tree = request_parse_json(r);
	if (tree == NULL || campaign_wish_read(tree, creates, out, &error))
		return tree;
	response_refuse(r, error.code, error.field, error.message);
	cJSON_Delete(tree);
	return NULL;
}

void campaigns_create(struct request *r)
{
	static const struct uuid nil;
	struct campaign_wish wish;
	cJSON *tree = read_wish(r, true, &wish);
	if (tree == NULL)
		return;
	struct msg *m = message(&wish, CAMPAIGN_CREATE);
	cJSON_Delete(tree);
	m->campaign.id = wish.id;
	if (uuid_is_equal(&wish.id, &nil))
		uuid_v7(r->now_ms, &m->campaign.id);
	ask(r, m);
}

static bool read_id(struct request *r, struct uuid *out)
{
	if (uuid_parse(r->path_id, r->path_id_len, out))
		return true;
	response_error(r, 400, "invalid_field", "campaign_id",
		       "campaign_id: expected a UUID in the path, as /api/campaigns/"
		       "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
	return false;
}

static void ask_read(struct request *r, const struct uuid *id)
{
	struct msg *m = msg_new(MSG_CAMPAIGN, 0);
	m->campaign.op = CAMPAIGN_READ;
	m->campaign.id = *id;
	ask(r, m);
}

static void copy_campaign(void *context, const struct campaign *c)
{
	struct campaign **out = context;
	*out = campaign_new(c);
}

void campaigns_read(struct request *r)
{
	struct uuid id;
	struct campaign *c = NULL;
	if (!read_id(r, &id))
		return;
	if (registry_find(r->w->deps->registry, &id, copy_campaign, &c))
		answer_campaign(r, 200, c);
	else
		ask_read(r, &id);
	free(c);
}

bool if_match_parse(const char *text, int64_t *out)
{
	*out = 0;
	if (text == NULL || strcmp(text, "*") == 0)
		return true;
	const bool weak = strncmp(text, "W/", 2) == 0;
	if (weak)
		text += 2;
	const size_t len = strlen(text);
	if (len < 2 || text[0] != '"' || text[len - 1] != '"' || strcspn(text + 1, "\"") != len - 2)
		return false;
	const size_t digits = strspn(text + 1, "0123456789");
	*out = -1;
	if (!weak && digits >= 1 && digits <= 18 && digits == len - 2 && text[1] != '0')
		*out = strtoll(text + 1, NULL, 10);
	return true;
}

void campaigns_patch(struct request *r)
{
	struct uuid id;
	struct campaign_wish wish;
	int64_t revision;
	if (!read_id(r, &id))
		return;
	if (!if_match_parse(mg_get_header(r->conn, "If-Match"), &revision)) {
		response_error(r, 400, "bad_request", NULL,
			       "If-Match: expected the ETag of an answer, or *");
		return;
	}
	cJSON *tree = read_wish(r, false, &wish);
	if (tree == NULL)
		return;
	struct msg *m = message(&wish, CAMPAIGN_PATCH);
	cJSON_Delete(tree);
	m->campaign.id = id;
	m->campaign.if_revision = revision;
	ask(r, m);
}

struct page {
	struct buf *out;
	int64_t now_ms;
	uint32_t n;
	struct registry_place last;
};

static void add_to_page(void *context, const struct campaign *c)
{
	struct page *page = context;
	if (page->n++ > 0)
		buf_addc(page->out, ',');
	campaign_write(c, page->now_ms, page->out);
	page->last = (struct registry_place){.created_us = c->created_us, .id = c->id};
}

static void answer_page(struct request *r, const struct registry_filter *filter)
{
	bool more = false;
	char cursor[PAGE_CURSOR_MAX];
	struct page page = {.out = response_begin(r), .now_ms = r->now_ms};
	buf_adds(page.out, "{\"data\":[");
	if (!registry_list(r->w->deps->registry, filter, add_to_page, &page, &more)) {
		response_error(r, 503, "unavailable", NULL,
			       "the campaigns have not been read from PostgreSQL yet");
		return;
	}
	if (more) {
		page_cursor_format(&page.last, cursor);
		buf_addf(page.out, "],\"next_cursor\":\"%s\"}", cursor);
	} else {
		buf_adds(page.out, "],\"next_cursor\":null}");
	}
	response_send(r, 200);
}

void campaigns_list(struct request *r)
{
	struct page_wish wish;
	struct wish_error error;
	if (page_wish_read(r->info->query_string, &wish, &error))
		answer_page(r, &wish.filter);
	else
		response_refuse(r, error.code, error.field, error.message);
	page_wish_release(&wish);
}
