/*
 * The arguments of `tyrattribution recompute`.
 *
 * Threads: main. Ownership: texts point into argv and into the struct, which must not move.
 */
#ifndef TOOLS_RECOMPUTE_ARGS_H
#define TOOLS_RECOMPUTE_ARGS_H

#include "store/recompute.h"
#include "tools/tool.h"
#include "util/datetime.h"
#include "util/uuid.h"

enum recompute_what {
	RECOMPUTE_BEGIN,
	RECOMPUTE_TRY,
	RECOMPUTE_RESUME,
	RECOMPUTE_ABORT,
	RECOMPUTE_STATUS,
};

struct recompute_args {
	enum recompute_what what;
	bool ndjson;
	struct recompute_wish wish;

	/* what the wish points to */
	char from[RFC3339_TEXT_LEN + 1];
	char campaign[UUID_TEXT_LEN + 1];
	char window_s[16], half_life_s[16], first_ppm[16], last_ppm[16];
	char description[512];
};

extern const char recompute_help[];

/** Read them; what is wrong is told on stderr. */
enum tool_exit recompute_args_read(struct recompute_args *out, int argc, char **argv) MUST_CHECK;

#endif
