-- List the days that change for journals and caches, as book_day_shares.sql.
INSERT INTO journal_changes (shard, version, campaign_id, day)
SELECT f.partition, f.version, d.campaign_id, d.day
FROM recompute_days d
JOIN partition_fences f ON f.partition = d.shard
WHERE d.day <= (SELECT listed_through FROM journal_state)
