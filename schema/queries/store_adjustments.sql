-- Store the staged adjustments that are not stored yet, as store_clicks.sql. Answers how many were stored.
-- $1 shard
WITH stored AS (
	INSERT INTO adjustment_events (adjustment_id, adjustment_date, user_id, conversion_id, change, amount_minor, shard)
	SELECT DISTINCT ON (adjustment_id, adjustment_date) adjustment_id, adjustment_date, user_id, conversion_id, change,
		amount_minor, $1::int
	FROM staged_adjustments
	ORDER BY adjustment_id, adjustment_date, n
	ON CONFLICT DO NOTHING
	RETURNING 1
)
SELECT count(*) FROM stored
