-- The click buckets of a history's clicks.
SET synchronous_commit = off;
SET jit = off;
SET work_mem = '256MB';
SET maintenance_work_mem = '512MB';
INSERT INTO click_buckets (shard, campaign_id, source, bucket, clicks)
SELECT shard, campaign_id, source, date_bin('15 minutes', click_date, 'epoch'), count(*)
FROM click_events
GROUP BY 1, 2, 3, 4;
ALTER TABLE click_buckets ADD PRIMARY KEY (campaign_id, bucket, shard, source);
VACUUM (ANALYZE) click_buckets;
