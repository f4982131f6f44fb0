-- Recount the conversions of some days, as they are attributed now.
-- $1 first day, $2 last day
INSERT INTO recounted_conversions
SELECT shard, campaign_id, source, type, date_bin('15 minutes', conversion_date, 'epoch'::timestamptz) AS bucket,
	count(click_id), coalesce(sum(value_minor) FILTER (WHERE click_id IS NOT NULL), 0),
	count(*) - count(click_id), coalesce(sum(value_minor) FILTER (WHERE click_id IS NULL), 0)
FROM conversion_events
WHERE conversion_date >= $1::date::timestamp AT TIME ZONE 'UTC'
	AND conversion_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY 1, 2, 3, 4, 5
