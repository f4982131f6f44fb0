-- Add the batch's deltas by last click to the shard's days; answers the days' absolute shares (day as days since
-- 1970). Days that only another model credits have a share of nothing: it says that the campaign has such a day.
-- $1 shard
INSERT INTO day_shares AS d (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT $1::int, campaign_id, (bucket AT TIME ZONE 'UTC')::date, sum(clicks),
	coalesce(sum(credit) FILTER (WHERE model = 'last_click'), 0) / 1000000,
	coalesce(sum(value_minor) FILTER (WHERE model = 'last_click'), 0),
	coalesce(sum(unattributed) FILTER (WHERE model = 'last_click'), 0),
	coalesce(sum(unattributed_value_minor) FILTER (WHERE model = 'last_click'), 0)
FROM staged_deltas
GROUP BY 2, 3
ON CONFLICT (campaign_id, day, shard) DO UPDATE
SET clicks = d.clicks + excluded.clicks, conversions = d.conversions + excluded.conversions,
	value_minor = d.value_minor + excluded.value_minor, unattributed = d.unattributed + excluded.unattributed,
	unattributed_value_minor = d.unattributed_value_minor + excluded.unattributed_value_minor
RETURNING d.campaign_id, d.day - date '1970-01-01', d.clicks, d.conversions, d.unattributed, d.value_minor,
	d.unattributed_value_minor
