/*
 * Unpacks gzip bodies, with a limit on what may come out.
 *
 * Threads: any.
 */
#ifndef NET_GUNZIP_H
#define NET_GUNZIP_H

#include "util/buf.h"

enum gunzip_result {
	GUNZIP_OK,
	GUNZIP_BROKEN,	  /* not gzip, cut off, or something behind its end */
	GUNZIP_TOO_LARGE, /* more than the limit */
};

/** Replace what is in @out by the unpacked @packed, at most @limit bytes of it. Several members may
 * follow each other. */
enum gunzip_result gunzip(const char *packed, size_t len, size_t limit, struct buf *out) MUST_CHECK;

#endif
