/*
 * The spool: a local log of events that Kafka has not taken yet.
 *
 *      SPOOL_DIR/lock                     one process at a time
 *      SPOOL_DIR/0000000000000007.spool   segments, oldest first; only the last one grows
 *      SPOOL_DIR/quarantine/              damaged bytes, named by segment and position
 *
 * Overview: events are appended and made durable in groups by spool_commit(): after ERR_OK they may
 * be acknowledged, after anything else none of the group may. spool_next() gives what is durable
 * back in order; spool_done() says that one record of a segment is safe in Kafka, and a segment is
 * deleted when that is true of all of its records. What was drained but not acknowledged before a
 * crash is drained again; the writers recognise such duplicates. At opening, a record that was cut
 * off by a crash at the end of the last segment is dropped (nobody was told of it); damage
 * elsewhere is put into quarantine and counted, and everything behind it is kept. Threads: one, its
 * owner's.
 */
#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include "store/spool_record.h"
#include "util/config.h"
#include "util/metrics.h"
#include "util/uuid.h"

struct spool;

/** Open or make SPOOL_DIR; ends the process with a sentence when it cannot be had, when another
 * process has it, or when it holds another deployment's events. @thread main */
struct spool *spool_open(const struct config *cfg, struct metrics *metrics,
			 const struct uuid *deployment) MUST_CHECK;

/** NULL is fine. */
void spool_close(struct spool *s);

/** Add to the group. ERR_BUSY: no room (SPOOL_MAX_BYTES, SPOOL_MIN_FREE_BYTES, or the disk failed a
 * moment ago). */
enum err spool_append(struct spool *s, const struct spool_record *record) MUST_CHECK;

/** Make the group durable, all of it or none. */
enum err spool_commit(struct spool *s) MUST_CHECK;

/** Would an event of the usual size be taken now? */
bool spool_has_room(struct spool *s);

/** The next durable record that was not drained yet, and its segment. False: there is none now. The
 * record is borrowed until the next call. */
bool spool_next(struct spool *s, struct spool_record *out, uint64_t *segment) MUST_CHECK;

/** A drained record of @segment was acknowledged by Kafka. */
void spool_done(struct spool *s, uint64_t segment);

/** Records not acknowledged by Kafka yet, drained or not. */
uint64_t spool_records(const struct spool *s);

/** Size of all segments. */
uint64_t spool_bytes(const struct spool *s);

#endif
