-- The days of a history, from its buckets; and the months of a year that it does not reach.
SET jit = off;
INSERT INTO day_shares (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, day, sum(clicks), sum(credit) / 1000000, sum(value_minor), 0, 0
FROM (
	SELECT shard, campaign_id, (bucket AT TIME ZONE 'UTC')::date AS day, clicks, 0 AS credit, 0 AS value_minor
	FROM click_buckets
	UNION ALL
	SELECT shard, campaign_id, (bucket AT TIME ZONE 'UTC')::date, 0, credit, value_minor
	FROM conversion_buckets
	WHERE model = 'last_click'
) b
GROUP BY 1, 2, 3;
SELECT ensure_event_month('click_events', (date_trunc('month', now()) - make_interval(months => m))::date)
FROM generate_series(-1, 13) AS m;
ANALYZE day_shares, campaigns;
