/*
 * What events change in the buckets: for each cell (campaign, source, type, model, 15 minutes) the
 * credit, value and unattributed conversions that come to it or go from it. Clicks have a table of
 * their own, whose cells have neither type nor model.
 *
 * Overview: a conversion is booked for every model: what the model credits goes to the touches'
 * campaigns and sources, its value in proportion to the credit and to the cent; where it credits
 * nothing, the conversion is unattributed under the campaign and source that it gave. Booking it
 * with another sign takes it back. A hash table; cells that come to nothing are passed over.
 * Threads: one at a time. Ownership: texts are borrowed until cells_clear.
 */
#ifndef DOMAIN_CELLS_H
#define DOMAIN_CELLS_H

#include "domain/path.h"

#define BUCKET_MS 900000ll

struct cell {
	struct uuid campaign_id;
	struct text source, type;
	enum model model;
	int64_t bucket_ms;
	int64_t clicks;
	int64_t credit; /* parts per million of a conversion */
	int64_t unattributed;
	__int128 value_minor;
	__int128 unattributed_value_minor;
};

struct cells {
	struct cell *slots; /* free where type.data is NULL */
	uint32_t capacity;  /* a power of two, or 0 */
	uint32_t n;
};

/* What a conversion counts for, once its adjustments are heard. */
struct worth {
	int64_t value_minor; /* hundredths */
	bool is_adjusted;    /* there are adjustments of it */
	bool is_cancelled;   /* it counts for nothing */
};

bool worth_is_equal(struct worth a, struct worth b);

/** Add a conversion of this worth with this path, @sign 1, or take it back, -1. */
void cells_book(struct cells *c, const struct path_wish *w, const struct path *p,
		struct worth worth, int sign);

/** Count a click. */
void cells_add_click(struct cells *c, const struct uuid *campaign, struct text source,
		     int64_t time_ms);

/**
 * Share a value by the credits of a conversion's @n touches, to the cent, as it is booked; false:
 * they credit nothing, and @values is left as it is.
 */
bool cells_share(const int32_t *credits, uint32_t n, int64_t value_minor,
		 int64_t *values) MUST_CHECK;

/** The next cell that holds something, from *@at = 0 on; NULL: no more. */
const struct cell *cells_next(const struct cells *c, uint32_t *at);

/**
 * The cells that hold something in the order of the buckets' primary keys, so that neighbours are
 * looked for one after the other. The caller frees the array, and @n says how many.
 */
const struct cell **cells_sorted(const struct cells *c, uint32_t *n) MUST_CHECK;

void cells_clear(struct cells *c);
void cells_release(struct cells *c);

#endif
