-- A bucket of nothing goes.
-- $1 shard, $2 piece
DELETE FROM click_buckets b
USING differences d
WHERE d."table" = 'click_buckets' AND d.shard = $1::int AND d.piece = $2::int
	AND b.campaign_id = d.campaign_id AND b.bucket = d.bucket AND b.shard = d.shard AND b.source = d.source
	AND b.clicks = 0
