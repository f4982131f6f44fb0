-- Add the batch's deltas to the click buckets.
-- $1 shard
INSERT INTO click_buckets AS b (shard, campaign_id, source, bucket, clicks)
SELECT $1::int, campaign_id, source, bucket, sum(clicks)
FROM staged_deltas
WHERE clicks <> 0
GROUP BY campaign_id, source, bucket
ON CONFLICT (campaign_id, bucket, shard, source) DO UPDATE SET clicks = b.clicks + excluded.clicks
