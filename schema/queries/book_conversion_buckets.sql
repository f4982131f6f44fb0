-- Add deltas to the conversion buckets, each cell once. Answers where the buckets lie that hold nothing any more.
-- $1 shard, $2 deltas
WITH booked AS (
	INSERT INTO conversion_buckets AS b (shard, campaign_id, source, type, model, bucket, credit, value_minor,
		unattributed, unattributed_value_minor)
	SELECT $1::int, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
		unattributed_value_minor
	FROM unnest($2::pg_temp.staged_delta[])
	ON CONFLICT (campaign_id, bucket, shard, source, type, model) DO UPDATE
	SET credit = b.credit + excluded.credit, value_minor = b.value_minor + excluded.value_minor,
		unattributed = b.unattributed + excluded.unattributed,
		unattributed_value_minor = b.unattributed_value_minor + excluded.unattributed_value_minor
	RETURNING b.ctid AS place, b.credit, b.value_minor, b.unattributed, b.unattributed_value_minor
)
SELECT array_agg(place)
FROM booked
WHERE credit = 0 AND value_minor = 0 AND unattributed = 0 AND unattributed_value_minor = 0
