-- List the stored conversions that the settings hold for, in pieces of a shard. The conversions of a piece
-- lie close together in time: so do the buckets that change, and mostly the rows. Answers how many.
-- $1 conversions of a piece
WITH listed AS (
	INSERT INTO recompute_work (shard, piece, conversion_id, conversion_date)
	SELECT shard, (row_number() OVER (PARTITION BY shard ORDER BY conversion_date, conversion_id) - 1) / $1::int, conversion_id,
		conversion_date
	FROM conversion_events
	WHERE conversion_date >= (SELECT valid_from FROM recompute)
	RETURNING 1
)
UPDATE recompute SET total = (SELECT count(*) FROM listed) + 1
RETURNING total - 1
