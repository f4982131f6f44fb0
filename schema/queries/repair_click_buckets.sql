-- Add what is missing in a piece's click buckets. Writers add to them as well, so what was missing in the recount's
-- snapshot is missing still, whatever was booked since.
-- $1 shard, $2 piece
INSERT INTO click_buckets AS b (shard, campaign_id, source, bucket, clicks)
SELECT shard, campaign_id, source, bucket, recounted[1] - stored[1]
FROM differences
WHERE "table" = 'click_buckets' AND shard = $1::int AND piece = $2::int
ON CONFLICT (campaign_id, bucket, shard, source) DO UPDATE SET clicks = b.clicks + excluded.clicks
