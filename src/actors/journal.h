/*
 * The journal actor: closes days, follows late changes, writes journals on demand.
 *
 * Overview: every JOURNAL_INTERVAL_MS it closes the days before today that are open, and brings
 * journals up to date with the listed changes. Every process has one; a lock in PostgreSQL lets one
 * work at a time. Threads: one, its own.
 */
#ifndef ACTORS_JOURNAL_H
#define ACTORS_JOURNAL_H

#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct journal;

/** All arguments are borrowed. @thread main */
struct journal *journal_start(const struct config *cfg, struct mailbox *mb,
			      struct metrics_set *metrics) MUST_CHECK;

/** @thread main */
void journal_stop(struct journal *j);

#endif
