/*
 * The route of exports.
 *
 * Threads: CivetWeb's workers.
 */
#ifndef NET_EXPORT_H
#define NET_EXPORT_H

struct request;

/** GET /api/export/{kind}. @thread http */
void export_serve(struct request *r);

#endif
