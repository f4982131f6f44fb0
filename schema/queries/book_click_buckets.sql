-- Add clicks to the click buckets, each cell once.
-- $1 shard, $2 deltas
INSERT INTO click_buckets AS b (shard, campaign_id, source, bucket, clicks)
SELECT $1::int, d.campaign_id, d.source, d.bucket, d.clicks
FROM unnest($2::pg_temp.staged_click_delta[]) d
ON CONFLICT (campaign_id, bucket, shard, source) DO UPDATE SET clicks = b.clicks + excluded.clicks
