/*
 * An answer whose body comes in pieces, each as it is ready, by HTTP's chunks.
 *
 * Overview: stream_begin(), stream_write() as often as needed, then stream_end(), or stream_cut()
 * when something went wrong: then the last chunk is missing and the connection is closed, so that
 * no client takes what it has for the whole. A client must take STREAM_PIECE bytes within
 * HTTP_REQUEST_TIMEOUT_MS; what it does not take stands in its connection's buffers in the kernel
 * and nowhere else. HTTP/1.0 knows no chunks. Threads: the worker that serves the request.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/request.h"

#define STREAM_PIECE 65536

/** Send the head, a 200. @more: further fields, each with its line's end. @thread http */
void stream_begin(struct request *r, const char *content_type, const char *more);

/** Send @len bytes; nothing is fine. False: the client is gone, or too slow. @thread http */
bool stream_write(struct request *r, const char *data, size_t len) MUST_CHECK;

/** Say that this was all. False as above. @thread http */
bool stream_end(struct request *r) MUST_CHECK;

/** Close the connection so that the body is seen to be cut off. @thread http */
void stream_cut(struct request *r);

#endif
