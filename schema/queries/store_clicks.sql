-- Store the staged clicks that are not stored yet, in key order so that two writers cannot deadlock, and note
-- their bucket deltas. Answers how many were stored.
-- $1 shard
WITH stored AS (
	INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard, log_offset, accepted_at)
	SELECT DISTINCT ON (click_id, click_date) click_id, click_date, user_id, campaign_id, source, $1::int, log_offset,
		accepted_at
	FROM staged_clicks
	ORDER BY click_id, click_date, n
	ON CONFLICT DO NOTHING
	RETURNING campaign_id, source, click_date
), delta AS (
	INSERT INTO staged_deltas
	SELECT campaign_id, source, '', '', date_bin('15 minutes', click_date, 'epoch'::timestamptz), count(*), 0, 0, 0, 0
	FROM stored
	GROUP BY 1, 2, 5
)
SELECT count(*) FROM stored
