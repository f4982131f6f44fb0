/*
 * What a client asks of an export.
 *
 * Overview: unknown parameters, and those that stand twice but may not, are errors. Days are UTC
 * days, `to` the last one; a time as `to` is the first instant left out. Threads: any. Pure
 * functions.
 */
#ifndef NET_EXPORT_WISH_H
#define NET_EXPORT_WISH_H

#include "domain/export.h"
#include "net/wish.h"

#define EXPORT_LIMIT_MAX 1000000000

/**
 * Read the parameters of @query (NULL: none) into @out, which is as export_new() has it. @accept
 * (NULL: none) is the header that names the format where no parameter does.
 */
bool export_wish_read(enum export_kind kind, const char *query, const char *accept,
		      struct export_question *out, struct wish_error *error) MUST_CHECK;

#endif
