-- Sum the recounts to days.
INSERT INTO recounted_days
SELECT shard, campaign_id, (bucket AT TIME ZONE 'UTC')::date AS day, sum(clicks), sum(conversions),
	sum(value_minor), sum(unattributed), sum(unattributed_value_minor)
FROM (
	SELECT shard, campaign_id, bucket, clicks, 0 AS conversions, 0 AS value_minor, 0 AS unattributed,
		0 AS unattributed_value_minor
	FROM recounted_clicks
	UNION ALL
	SELECT shard, campaign_id, bucket, 0, credit / 1000000, value_minor, unattributed, unattributed_value_minor
	FROM recounted_conversions
	WHERE model = 'last_click'
) b
GROUP BY 1, 2, 3
