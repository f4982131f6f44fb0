/*
 * What the head of a request says about its body and its connection, read strictly.
 *
 * Overview: CivetWeb takes the first Content-Length up to its first non-digit and lets
 * Transfer-Encoding win. Two readers that disagree about where a body ends let one client's bytes
 * become another's request, so anything but one plain length or one plain "chunked" is refused
 * here, before a byte of the body is read. Threads: any. Pure functions.
 */
#ifndef NET_FRAMING_H
#define NET_FRAMING_H

#include "util/base.h"

struct mg_request_info;

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

enum media_type {
	MEDIA_NONE, /* no Content-Type, or an empty one */
	MEDIA_JSON,
	MEDIA_NDJSON,
	MEDIA_OTHER,
};

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_OTHER };

struct framing {
	enum body_kind body;
	uint64_t length;      /* for BODY_LENGTH */
	bool has_trailer;     /* fields may follow the last chunk */
	bool expect_continue; /* the client waits for a 100 before it sends the body */
	bool keep_alive;      /* the client wants the connection kept, and CivetWeb will */
	enum media_type media;
	enum coding coding;
};

/* Why a head is refused: the status to answer, the code, and a sentence. */
struct framing_error {
	int status;
	const char *code;
	const char *message;
};

/** False when the request must be refused and the connection closed. */
bool framing_read(const struct mg_request_info *info, struct framing *out,
		  struct framing_error *error) MUST_CHECK;

/** Digits only, 1 to 18 of them. */
bool content_length_parse(const char *text, uint64_t *out) MUST_CHECK;

/** The type of a Content-Type field; parameters are ignored. NULL is MEDIA_NONE. */
enum media_type media_type_parse(const char *text);

/** Does the comma-separated list @list name @token, in any case? */
bool token_list_has(const char *list, const char *token);

#endif
