/*
 * Answering why conversions are credited as they are, from PostgreSQL.
 *
 * Threads: the one that owns the connection.
 */
#ifndef STORE_EXPLAIN_H
#define STORE_EXPLAIN_H

#include "domain/explain.h"
#include "store/pg.h"

/* The settings of attribution as they were last read; zeroed at first. */
struct explain_rules {
	struct rules rules;
	int64_t revision;
};

/**
 * Fill in the answer; its status is OK or UNKNOWN then. One snapshot answers all of it.
 * ERR_TIMEOUT: it was not done by @until_ns (monotonic).
 */
enum err explain_answer(struct pg *pg, struct explain_rules *rules, struct explanation *e,
			uint64_t until_ns) MUST_CHECK;

void explain_rules_release(struct explain_rules *rules);

#endif
