/*
 * Answering where an event went, from PostgreSQL.
 *
 * Threads: the one that owns the connection.
 */
#ifndef STORE_TRACE_H
#define STORE_TRACE_H

#include "domain/trace.h"
#include "store/pg.h"

/** Fill in the answer; its status is OK or UNKNOWN then. @cfg names the topics. */
enum err trace_answer(struct pg *pg, const struct config *cfg, struct trace *t) MUST_CHECK;

#endif
