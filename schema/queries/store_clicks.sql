-- Store the staged clicks that are not stored yet, in key order so that two writers cannot deadlock, and add them to
-- the click buckets. Answers how many were stored by campaign and day (since 1970).
-- $1 shard, $2 clicks
WITH stored AS (
	INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard, log_offset, accepted_at)
	SELECT DISTINCT ON (click_id, click_date) click_id, click_date, user_id, campaign_id, source, $1::int, log_offset,
		accepted_at
	FROM unnest($2::pg_temp.staged_click[])
	ORDER BY click_id, click_date, n
	ON CONFLICT DO NOTHING
	RETURNING campaign_id, source, click_date
), delta AS (
	SELECT campaign_id, source, date_bin('15 minutes', click_date, 'epoch'::timestamptz) AS bucket, count(*) AS clicks
	FROM stored
	GROUP BY 1, 2, 3
), booked AS (
	INSERT INTO click_buckets AS b (shard, campaign_id, source, bucket, clicks)
	SELECT $1::int, campaign_id, source, bucket, clicks
	FROM delta
	ON CONFLICT (campaign_id, bucket, shard, source) DO UPDATE SET clicks = b.clicks + excluded.clicks
)
SELECT campaign_id, (bucket AT TIME ZONE 'UTC')::date - date '1970-01-01', sum(clicks)::bigint
FROM delta
GROUP BY 1, 2
