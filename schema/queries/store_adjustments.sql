-- Store the staged adjustments that are not stored yet, as store_clicks.sql. Answers how many were stored.
-- $1 shard, $2 adjustments
WITH stored AS (
	INSERT INTO adjustment_events (adjustment_id, adjustment_date, user_id, conversion_id, change, amount_minor, shard,
		log_offset, accepted_at)
	SELECT DISTINCT ON (adjustment_id, adjustment_date) adjustment_id, adjustment_date, user_id, conversion_id, change,
		amount_minor, $1::int, log_offset, accepted_at
	FROM unnest($2::pg_temp.staged_adjustment[])
	ORDER BY adjustment_id, adjustment_date, n
	ON CONFLICT DO NOTHING
	RETURNING 1
)
SELECT count(*) FROM stored
