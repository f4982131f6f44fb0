/*
 * Paths and cells as rows: of the statements that read them, and of COPY.
 *
 * Threads: the one that owns the result or the buffer.
 */
#ifndef STORE_PATH_ROWS_H
#define STORE_PATH_ROWS_H

#include <libpq-fe.h>

#include "domain/cells.h"
#include "domain/path.h"
#include "util/buf.h"

/* The columns of the statements about clicks (the first five) and about stored paths
 * (target_paths.sql). */
enum path_column {
	CLICK_T,
	CLICK_ID,
	CLICK_TIME,
	CLICK_CAMPAIGN,
	CLICK_SOURCE,
	PATH_EXTRAS,
	PATH_BEYOND,
	PATH_CREDITS,
	PATH_LAST_ID = PATH_CREDITS + MODELS,
	PATH_LAST_TIME,
	PATH_ADJUSTED,
	PATH_CANCELLED,
};

/** A click, or a touch of a stored path, whose columns begin with @col. Borrows the source from the
 * result. */
struct touch path_row_touch(const PGresult *r, int row, int col);

/** The stored path in rows @first to before @end, in @arena. */
void path_rows_read(const PGresult *r, int first, int end, struct arena *arena, struct path *out);

/** Is the last click that is stored beside the path in row @row another one than it credits? */
bool path_row_is_torn(const PGresult *r, int row, const struct path *p);

/** What a conversion of @value_minor is worth by the columns @adjusted and the one behind it. */
struct worth path_row_worth(const PGresult *r, int row, int adjusted, int64_t value_minor);

/** A row for copy_paths.sql: the path of target @t. */
void path_row_copy(struct buf *rows, uint32_t t, const struct path *p);

/** An element of an array of ROW_DELTA. */
void cell_row_add(struct buf *rows, const struct cell *c);

#endif
