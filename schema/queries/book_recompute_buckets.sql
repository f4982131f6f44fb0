-- Add to what a recompute adds to the conversion buckets.
-- $1 shard, $2 deltas, each cell once
INSERT INTO recompute_buckets AS b (shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
	unattributed_value_minor)
SELECT $1::int, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
	unattributed_value_minor
FROM unnest($2::pg_temp.staged_delta[])
ORDER BY campaign_id, bucket, source, type, model -- as they are folded in
ON CONFLICT (campaign_id, bucket, shard, source, type, model) DO UPDATE
SET credit = b.credit + excluded.credit, value_minor = b.value_minor + excluded.value_minor,
	unattributed = b.unattributed + excluded.unattributed,
	unattributed_value_minor = b.unattributed_value_minor + excluded.unattributed_value_minor
