/*
 * An exporter: reads the pages of exports from PostgreSQL.
 *
 * Overview: one connection, which nothing but exports uses, so that they keep neither statistics
 * nor writers waiting. A message is one page and one statement; between pages the connection is
 * idle. The worker that serves an export has its exporter for itself (net/export.c). Threads: one,
 * its own.
 */
#ifndef ACTORS_EXPORTER_H
#define ACTORS_EXPORTER_H

#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct exporter;

/** All arguments are borrowed. @index names the thread. @thread main */
struct exporter *exporter_start(const struct config *cfg, unsigned index, struct mailbox *mb,
				struct metrics_set *metrics) MUST_CHECK;

/** @thread main */
void exporter_stop(struct exporter *e);

#endif
