-- Recount the clicks of some days.
-- $1 first day, $2 last day
INSERT INTO recounted_clicks
SELECT shard, campaign_id, source, date_bin('15 minutes', click_date, 'epoch'::timestamptz) AS bucket, count(*)
FROM click_events
WHERE click_date >= $1::date::timestamp AT TIME ZONE 'UTC'
	AND click_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY 1, 2, 3, 4
