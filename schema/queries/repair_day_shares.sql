-- Add what is missing in a piece's day shares, as repair_click_buckets.sql. A share of nothing stays: counters then
-- write zeros over what they may have taken from it.
-- $1 shard, $2 piece
INSERT INTO day_shares AS d (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, day, recounted[1] - stored[1], recounted[2] - stored[2], recounted[3] - stored[3],
	recounted[4] - stored[4], recounted[5] - stored[5]
FROM differences
WHERE "table" = 'day_shares' AND shard = $1::int AND piece = $2::int
ON CONFLICT (campaign_id, day, shard) DO UPDATE
SET clicks = d.clicks + excluded.clicks, conversions = d.conversions + excluded.conversions,
	value_minor = d.value_minor + excluded.value_minor, unattributed = d.unattributed + excluded.unattributed,
	unattributed_value_minor = d.unattributed_value_minor + excluded.unattributed_value_minor
