/*
 * The registrar: keeps the registry of campaigns behind PostgreSQL by less than a second.
 *
 * Overview: it listens for notifications and then reads what changed; without one it looks all the
 * same, several times a second, so that nothing depends on a notification. After each connect it
 * also loads all campaigns anew, page by page, following changes meanwhile. A change that was made
 * through this process comes as a message too, and is answered once the registry has it. It is the
 * only writer of the registry. Threads: one, its own.
 */
#ifndef ACTORS_REGISTRAR_H
#define ACTORS_REGISTRAR_H

#include "store/registry.h"
#include "util/config.h"
#include "util/mailbox.h"
#include "util/metrics.h"

struct registrar;

/** All arguments are borrowed. @mb must have an eventfd. @thread main */
struct registrar *registrar_start(const struct config *cfg, struct mailbox *mb,
				  struct registry *registry,
				  struct metrics_set *metrics) MUST_CHECK;

/** @thread main */
void registrar_stop(struct registrar *r);

#endif
