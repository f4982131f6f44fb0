/*
 * Reading the fields of a request's head that decide about its body and its connection.
 *
 * Pure functions.
 */
#include "net/framing.h"

#include <civetweb.h>
#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX 18
#define SPACE " \t"

/* The field @name of the head; @count says how often it stands there. */
static const char *find(const struct mg_request_info *info, const char *name, int *count)
{
	const char *value = NULL;
	*count = 0;
	for (int i = 0; i < info->num_headers; i++) {
		if (strcasecmp(info->http_headers[i].name, name) != 0)
			continue;
		if ((*count)++ == 0)
			value = info->http_headers[i].value;
	}
	return value;
}

/* The length of @text without white space at its end. */
static size_t trimmed(const char *text, size_t len)
{
	while (len > 0 && strchr(SPACE, text[len - 1]) != NULL)
		len--;
	return len;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool refuse(struct framing_error *error, int status, const char *code, const char *message)
{
	*error = (struct framing_error){.status = status, .code = code, .message = message};
	return false;
}

static bool read_body_kind(const struct mg_request_info *info, struct framing *out,
			   struct framing_error *error)
{
	int lengths, encodings, trailers;
	const char *length = find(info, "Content-Length", &lengths);
	const char *encoding = find(info, "Transfer-Encoding", &encodings);
	(void)find(info, "Trailer", &trailers);
	if (encodings > 0 && lengths > 0)
		return refuse(error, 400, "bad_request",
			      "Transfer-Encoding and Content-Length must not stand together");
	if (encodings > 1 || lengths > 1)
		return refuse(error, 400, "bad_request",
			      "Content-Length and Transfer-Encoding may stand once");
	if (encodings == 1 && !is_word(encoding, trimmed(encoding, strlen(encoding)), "chunked"))
		return refuse(error, 400, "bad_request",
			      "the only Transfer-Encoding understood is chunked");
	if (encodings == 1 && strcmp(info->http_version, "1.1") != 0)
		return refuse(error, 400, "bad_request", "Transfer-Encoding needs HTTP/1.1");
	if (lengths == 1 && !content_length_parse(length, &out->length))
		return refuse(error, 400, "bad_request", "Content-Length must be digits alone");
	out->has_trailer = trailers > 0;
	out->body = encodings == 1 ? BODY_CHUNKED : out->length > 0 ? BODY_LENGTH : BODY_NONE;
	return true;
}

static bool read_expect(const struct mg_request_info *info, struct framing *out,
			struct framing_error *error)
{
	int count;
	const char *expect = find(info, "Expect", &count);
	if (count == 0 || strcmp(info->http_version, "1.1") != 0)
		return true;
	if (count > 1 || strcasecmp(expect, "100-continue") != 0)
		return refuse(error, 417, "expectation_failed",
			      "the only Expect understood is 100-continue");
	out->expect_continue = out->body != BODY_NONE;
	return true;
}

/*
 * CivetWeb's should_keep_alive looks at the first Connection field and takes prefixes of
 * "keep-alive" for it. This is true only where that is true as well, so that the answer's
 * Connection field is never wrong. An Upgrade is answered as a plain request, but CivetWeb closes
 * after it.
 */
static bool wants_keep_alive(const struct mg_request_info *info)
{
	int count, upgrades;
	const char *connection = find(info, "Connection", &count);
	(void)find(info, "Upgrade", &upgrades);
	if (count > 1 || upgrades > 0)
		return false;
	if (count == 0)
		return strcmp(info->http_version, "1.1") == 0;
	return token_list_has(connection, "keep-alive") && !token_list_has(connection, "close");
}

static enum coding read_coding(const struct mg_request_info *info)
{
	int count;
	const char *coding = find(info, "Content-Encoding", &count);
	if (count == 0)
		return CODING_IDENTITY;
	const size_t len = trimmed(coding, strlen(coding));
	if (count > 1)
		return CODING_OTHER;
	if (len == 0 || is_word(coding, len, "identity"))
		return CODING_IDENTITY;
	return is_word(coding, len, "gzip") || is_word(coding, len, "x-gzip") ? CODING_GZIP
									      : CODING_OTHER;
}

bool framing_read(const struct mg_request_info *info, struct framing *out,
		  struct framing_error *error)
{
	int types;
	*out = (struct framing){.body = BODY_NONE};
	/* CivetWeb stops reading fields at its limit, so one that matters might not have been seen.
	 */
	if (info->num_headers >= MG_MAX_HEADERS)
		return refuse(error, 431, "too_large", "the request has too many header fields");
	if (!read_body_kind(info, out, error) || !read_expect(info, out, error))
		return false;
	out->keep_alive = wants_keep_alive(info);
	out->coding = read_coding(info);
	const char *type = find(info, "Content-Type", &types);
	out->media = types > 1 ? MEDIA_OTHER : media_type_parse(type);
	return true;
}

bool content_length_parse(const char *text, uint64_t *out)
{
	const size_t len = trimmed(text, strlen(text));
	if (len == 0 || len > LENGTH_DIGITS_MAX)
		return false;
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

enum media_type media_type_parse(const char *text)
{
	if (text == NULL)
		return MEDIA_NONE;
	text += strspn(text, SPACE);
	const size_t len = trimmed(text, strcspn(text, ";"));
	if (len == 0)
		return *text == '\0' ? MEDIA_NONE : MEDIA_OTHER;
	if (is_word(text, len, "application/json"))
		return MEDIA_JSON;
	if (is_word(text, len, "application/x-ndjson") || is_word(text, len, "application/ndjson"))
		return MEDIA_NDJSON;
	return MEDIA_OTHER;
}

bool token_list_has(const char *list, const char *token)
{
	while (*list != '\0') {
		list += strspn(list, SPACE ",");
		const size_t len = strcspn(list, ",");
		if (is_word(list, trimmed(list, len), token))
			return true;
		list += len;
	}
	return false;
}
