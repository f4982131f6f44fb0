-- List the stored conversions of some days in pieces. Answers how many pieces and conversions.
-- $1 first day, $2 last day, $3 conversions of a piece
WITH listed AS (
	INSERT INTO recounted_keys (piece, conversion_id, conversion_date)
	SELECT (row_number() OVER (ORDER BY user_id, conversion_date) - 1) / $3::int, conversion_id, conversion_date
	FROM conversion_events
	WHERE conversion_date >= $1::date::timestamp AT TIME ZONE 'UTC'
		AND conversion_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
	RETURNING piece
)
SELECT coalesce(max(piece) + 1, 0), count(*) FROM listed
