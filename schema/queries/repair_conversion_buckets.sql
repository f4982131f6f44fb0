-- Add what is missing in a piece's conversion buckets, as repair_click_buckets.sql.
-- $1 shard, $2 piece
INSERT INTO conversion_buckets AS b (shard, campaign_id, source, type, model, bucket, credit, value_minor,
	unattributed, unattributed_value_minor)
SELECT shard, campaign_id, source, type, model, bucket, 1000000 * (recounted[2] - stored[2]),
	recounted[3] - stored[3], recounted[4] - stored[4], recounted[5] - stored[5]
FROM differences
WHERE "table" = 'conversion_buckets' AND shard = $1::int AND piece = $2::int
ON CONFLICT (campaign_id, bucket, shard, source, type, model) DO UPDATE
SET credit = b.credit + excluded.credit, value_minor = b.value_minor + excluded.value_minor,
	unattributed = b.unattributed + excluded.unattributed,
	unattributed_value_minor = b.unattributed_value_minor + excluded.unattributed_value_minor
