/*
 * The keys of a JSON object that a client sent, and what is wrong with them.
 *
 * Overview: an object is walked once and its keys are then read in a fixed order, so that the first
 * error is the same whatever their order. Keys that are not known, or stand twice, are errors.
 * Threads: any; pure functions. Ownership: what is found is borrowed from the JSON tree.
 */
#ifndef DOMAIN_FIELDS_H
#define DOMAIN_FIELDS_H

#include "util/json.h"

/* Why a request is refused: the key, and what was expected. */
struct refusal {
	const char *code;
	char field[64]; /* "" when it is no single one; cut if it was long */
	char message[192];
};

/** Fill in @out. Always false, so that it can be returned. */
bool refusal_set(struct refusal *out, const char *code, const char *field, const char *message);

/**
 * Find each of the @n @names in @object; at[i] stays as it is where it is left out, which is NULL
 * to begin with. On false, @out says why; @expected is the message to an unknown key.
 */
bool fields_find(const cJSON *object, const char *const *names, int n, const char *expected,
		 const cJSON **at, struct refusal *out) MUST_CHECK;

/** 1 to @most characters, none of them a control character? */
bool text_is_plain(const char *text, size_t most);

#endif
