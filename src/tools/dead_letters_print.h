/*
 * Dead letters on standard output: the list, single letters whole, counts by reason.
 *
 * Overview: what comes from a message may hold anything, so every text is escaped before it reaches
 * a terminal. Threads: main.
 */
#ifndef TOOLS_DEAD_LETTERS_PRINT_H
#define TOOLS_DEAD_LETTERS_PRINT_H

#include "tools/dead_letters_args.h"
#include "util/buf.h"

#define TALLY_REASONS 16

/* Letters counted by reason; zeroed at the beginning. */
struct letters_tally {
	struct {
		char reason[32];
		int64_t letters;
	} lines[TALLY_REASONS]; /* the last one takes whatever finds no line of its own */
	int64_t letters, bytes;
};

void letters_tally_add(struct letters_tally *t, const struct letter *letter);

/** Append "5 (3 malformed, 2 conflict)", or "0". */
void letters_tally_write(const struct letters_tally *t, struct buf *out);

/** Append "topic partition offset". */
void letters_place_write(const struct letter *letter, struct buf *out);

/** Append valid UTF-8 with its control characters escaped; line feeds too unless @lines. */
void letters_escape(struct buf *out, const char *text, size_t len, bool lines);

/** The one letter that is selected, whole; a complaint that names @option if it is not one. */
enum tool_exit letters_only(struct letters *l, const char *option,
			    const struct letter **out) MUST_CHECK;

/** The command list, its --summary included. */
enum tool_exit letters_list(struct letters *l, const struct letters_args *args) MUST_CHECK;

/** The command show. */
enum tool_exit letters_show(struct letters *l, const struct letters_args *args) MUST_CHECK;

#endif
