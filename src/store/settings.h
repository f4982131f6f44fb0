/*
 * Listing, adding and taking away dated settings of attribution.
 *
 * Overview: a setting may only be dated later than any conversion that may have been booked, so
 * that nothing booked changes; see lock_note in settings.c. Threads: the one that owns the
 * connection.
 */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include "domain/msg.h"
#include "store/pg.h"

/**
 * Do what @m, a MSG_SETTINGS, asks for, and fill in its answer but for the case of an error: then
 * the outcome is unknown.
 */
enum err settings_do(struct pg *pg, const struct config *cfg, struct msg_settings *m) MUST_CHECK;

/** Begin a transaction in which settings may be changed; on ERR_OK it is to be ended by
 * pg_commit() or pg_rollback(), soon: nothing is booked meanwhile. */
enum err settings_begin(struct pg *pg) MUST_CHECK;

/** The earliest date that a setting may get. To be asked inside settings_begin()'s transaction. */
int64_t settings_earliest_ms(const struct config *cfg);

#endif
