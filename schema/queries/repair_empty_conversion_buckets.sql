-- A bucket of nothing goes.
-- $1 shard, $2 piece
DELETE FROM conversion_buckets b
USING differences d
WHERE d."table" = 'conversion_buckets' AND d.shard = $1::int AND d.piece = $2::int
	AND b.campaign_id = d.campaign_id AND b.bucket = d.bucket AND b.shard = d.shard AND b.source = d.source
	AND b.type = d.type AND b.model = d.model AND b.credit = 0 AND b.value_minor = 0 AND b.unattributed = 0
	AND b.unattributed_value_minor = 0
