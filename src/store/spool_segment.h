/*
 * One file of the spool: a header that says whose it is, then records.
 *
 *      magic "TYRSPOOL" | version u32 | crc32c u32 | number u64 | deployment 16 | made at ms u64
 *
 * Overview: a segment is made whole (written under another name, synced, renamed, the folder
 * synced) and then only appended to. After a failed write or sync nothing more is ever written to
 * it: what the kernel then says of those pages is worth nothing. `size` is what is known to be
 * durable; whatever lies behind it has been promised to nobody. Threads: the spool's owner.
 */
#ifndef STORE_SPOOL_SEGMENT_H
#define STORE_SPOOL_SEGMENT_H

#include "util/buf.h"
#include "util/uuid.h"

#define SEGMENT_HEAD_LEN 56
#define SEGMENT_SUFFIX ".spool"

struct segment {
	uint64_t number;
	char *path;
	int fd;		      /* open for appending; -1: sealed */
	uint64_t size;	      /* durable bytes, header included */
	uint64_t read_at;     /* the next byte to be drained */
	uint64_t records;     /* not acknowledged by Kafka yet */
	uint64_t outstanding; /* those of them that were drained */
};

/** Make segment @number in @dir. NULL: it cannot be had, errno says why. */
struct segment *segment_create(const char *dir, uint64_t number, const struct uuid *deployment,
			       uint64_t now_ms) MUST_CHECK;

/**
 * Take over a file that an earlier process left. NULL: it cannot be read. *head_damaged: the header
 * is not one; *foreign: it belongs to another deployment.
 */
struct segment *segment_adopt(const char *dir, uint64_t number, const struct uuid *deployment,
			      bool *head_damaged, bool *foreign) MUST_CHECK;

/** Write @bytes behind what is there and sync. 0, or the errno after which the segment is to be
 * sealed. */
int segment_append(struct segment *s, const struct buf *bytes) MUST_CHECK;

/** No more appending; cuts off what is not known to be durable. */
void segment_seal(struct segment *s);

/** Cut the file to @size, for good. False: it could not be done. */
bool segment_cut(struct segment *s, uint64_t size) MUST_CHECK;

/** Read the durable bytes from @from on. False: the file cannot be read. */
bool segment_load(const struct segment *s, uint64_t from, struct buf *out) MUST_CHECK;

/** Everything was read and acknowledged. */
bool segment_is_done(const struct segment *s);

/** Close and free; @remove deletes the file. NULL is fine. */
void segment_free(struct segment *s, bool remove);

/** Sync the folder itself, so that what was made or renamed in it is found after a crash. False:
 * errno says why. */
bool segment_sync_dir(const char *dir) MUST_CHECK;

#endif
