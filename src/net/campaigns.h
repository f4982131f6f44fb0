/*
 * Campaigns over HTTP: create, list, read, change.
 *
 * Overview: reads come from the registry, which is less than a second behind PostgreSQL; a campaign
 * that it does not know is asked for in PostgreSQL before the answer is 404. Writes go through a
 * query actor and are answered after the commit, when this process' registry has them. Threads: the
 * worker that serves the request.
 */
#ifndef NET_CAMPAIGNS_H
#define NET_CAMPAIGNS_H

#include "util/base.h"

struct request;

void campaigns_create(struct request *r);
void campaigns_list(struct request *r);
void campaigns_read(struct request *r);
void campaigns_patch(struct request *r);

/** The revision that an If-Match field demands: 0 for NULL (no field) or "*", -1 for what no
 * campaign can have; false: it is no entity tag. */
bool if_match_parse(const char *text, int64_t *out) MUST_CHECK;

#endif
