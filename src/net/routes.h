/*
 * Which path and method leads to which handler.
 *
 * Overview: two constant tables, one for each port. A path matches exactly, without its query
 * string; a trailing slash makes another path. A path with ROUTE_ID in it takes anything
 * without a slash in its place, unless a path without it matches. A path with several methods has
 * several rows. HEAD is served wherever GET is. The label is what /metrics counts under; the two
 * names of a route share one. Threads: handlers run on CivetWeb's workers and answer their request
 * exactly once.
 */
#ifndef NET_ROUTES_H
#define NET_ROUTES_H

#include "util/config.h"

struct request;

#define ROUTE_LABEL_LIST(X)                                                                        \
	X(ROUTE_CLICK, "click")                                                                    \
	X(ROUTE_CONVERSION, "conversion")                                                          \
	X(ROUTE_ADJUSTMENT, "adjustment")                                                          \
	X(ROUTE_BATCH, "batch")                                                                    \
	X(ROUTE_JOURNAL, "journal")                                                                \
	X(ROUTE_STATISTICS, "statistics")                                                          \
	X(ROUTE_EXPORT, "export")                                                                  \
	X(ROUTE_CAMPAIGNS, "campaigns")                                                            \
	X(ROUTE_EXPLAIN, "explain")                                                                \
	X(ROUTE_TRACE, "trace")                                                                    \
	X(ROUTE_SETTINGS, "settings")                                                              \
	X(ROUTE_METRICS, "metrics")                                                                \
	X(ROUTE_LIVEZ, "livez")                                                                    \
	X(ROUTE_READYZ, "readyz")                                                                  \
	X(ROUTE_OTHER, "other")

#define ROUTE_ENUM(label, word) label,
enum route_label { ROUTE_LABEL_LIST(ROUTE_ENUM) ROUTE_LABELS };
#undef ROUTE_ENUM

#define ROUTE_ID "{id}"

enum route_method { ROUTE_GET, ROUTE_POST, ROUTE_PATCH, ROUTE_DELETE, ROUTE_METHODS };

struct route {
	enum role roles; /* served by processes with one of these */
	const char *path;
	enum route_method method;
	enum route_label label;
	void (*serve)(struct request *r);
};

const struct route *routes_api(size_t *n);
const struct route *routes_admin(size_t *n);

const char *route_word(enum route_label label);

/** Find the route of @r in its port's table and serve it, or answer 404 or 405. @thread http */
void route_request(struct request *r);

#endif
