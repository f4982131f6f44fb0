-- Add to what a recompute adds to the conversion buckets.
-- $1 shard
INSERT INTO recompute_buckets AS b (shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
	unattributed_value_minor)
SELECT $1::int, campaign_id, source, type, model, bucket, sum(credit), sum(value_minor), sum(unattributed),
	sum(unattributed_value_minor)
FROM staged_deltas
GROUP BY campaign_id, source, type, model, bucket
ON CONFLICT (campaign_id, bucket, shard, source, type, model) DO UPDATE
SET credit = b.credit + excluded.credit, value_minor = b.value_minor + excluded.value_minor,
	unattributed = b.unattributed + excluded.unattributed,
	unattributed_value_minor = b.unattributed_value_minor + excluded.unattributed_value_minor
