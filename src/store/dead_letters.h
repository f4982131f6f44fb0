/*
 * The table of dead letters for those who look after it: selecting, counting, resolving.
 *
 * Overview: a selection is read in pages of bounded size, oldest letter first; letters that come
 * after letters_begin() are not part of it. letters_resolve() changes the state of letters of the
 * page. Usage: letters_new(), letters_begin(), letters_next() until the page is empty,
 * letters_free(). Every function that fails leaves a sentence in letters_error(). Threads: one.
 * Ownership: a page belongs to the struct letters and holds until the next call of letters_next().
 */
#ifndef STORE_DEAD_LETTERS_H
#define STORE_DEAD_LETTERS_H

#include "util/config.h"
#include "util/metrics.h"

#define LETTERS_PAGE 500

#define LETTER_OPEN "open"
#define LETTER_REPLAYED "replayed"
#define LETTER_DROPPED "dropped"

/* What to select; everything is borrowed. NULL or negative: any. */
struct letters_filter {
	const char *reasons; /* words with commas between them */
	const char *topic;
	int32_t partition;
	int64_t offset;
	const char *from, *before; /* RFC 3339, of created_at */
	const char *state;
	int64_t limit;
};

struct letter {
	const char *topic;
	int32_t partition;
	int64_t offset;
	const char *created_at;	 /* RFC 3339, as is resolved_at */
	const char *resolved_at; /* NULL while open */
	const char *reason, *detail, *state;
	int64_t payload_bytes; /* -1: there is none */
	const char *key;       /* NULL if there is none, or bodies were not asked for */
	const char *payload;
	size_t key_len, payload_len;
};

struct letters_page {
	struct letter letters[LETTERS_PAGE];
	uint32_t n; /* 0: the end */
};

/* A line of the summary. */
struct letters_sum {
	const char *reason, *oldest, *newest;
	int64_t letters, bytes;
};

typedef void letters_sum_fn(void *context, const struct letters_sum *sum);

struct letters;

/** @cfg, @metrics and @filter are borrowed. Does not connect yet. */
struct letters *letters_new(const struct config *cfg, struct metrics *metrics,
			    const struct letters_filter *filter) MUST_CHECK;

/** NULL is fine. */
void letters_free(struct letters *l);

/** Connect, check that the schema is this program's, and draw the line behind the last letter. */
bool letters_begin(struct letters *l) MUST_CHECK;

/** The partitions of each topic, as recorded in the database. After letters_begin(). */
int32_t letters_partitions(const struct letters *l);

/** Be the only one that resolves letters, until letters_free(). */
bool letters_lock(struct letters *l) MUST_CHECK;

/** The next page, with keys and payloads if @bodies. */
bool letters_next(struct letters *l, bool bodies, const struct letters_page **page) MUST_CHECK;

/** Begin the selection again, from its first letter. */
void letters_rewind(struct letters *l);

/** Give @n letters, which have the filter's state, another one, in one transaction. Dropping
 * empties key and payload. */
bool letters_resolve(struct letters *l, const struct letter *const *letters, uint32_t n,
		     const char *state) MUST_CHECK;

/** Count the selection by reason, whatever its limit; @fn is called for each, most letters first.
 */
bool letters_summarise(struct letters *l, letters_sum_fn *fn, void *context) MUST_CHECK;

/** Why the last call failed: a sentence without its full stop. */
const char *letters_error(const struct letters *l);

#endif
