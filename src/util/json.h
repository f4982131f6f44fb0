/*
 * Strict JSON reading on top of cJSON, which by itself forgives too much.
 *
 * Overview: json_parse first scans the text: valid UTF-8, no control character inside a string, no
 * \u0000 (cJSON would cut the string there), numbers as RFC 8259 writes them, nesting of at most
 * JSON_DEPTH_MAX, one value and nothing but white space behind it. Then cJSON builds the tree.
 * Threads: any. Ownership: the tree belongs to the caller, who frees it with cJSON_Delete().
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <cjson/cJSON.h>

#include "util/base.h"

#define JSON_DEPTH_MAX 32
#define JSON_ERROR_MAX 128

/**
 * Parse @len bytes. NULL when they are not one JSON value; then @error holds a sentence part such
 * as "byte 17: a string is not valid UTF-8", bytes counted from 1. Refused as well: a byte order
 * mark, half a surrogate pair, and a number of more than 63 characters, which cJSON would cut.
 */
cJSON *json_parse(const char *text, size_t len, char error[JSON_ERROR_MAX]) MUST_CHECK;

/** Is [text, text + len) well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool utf8_is_valid(const char *text, size_t len);

/** The length of the longest beginning of valid UTF-8 that has at most @most bytes and ends between
 * two characters. */
size_t utf8_cut(const char *text, size_t most);

/** The number of code points of a valid UTF-8 string. */
size_t utf8_count(const char *text, size_t len);

#endif
