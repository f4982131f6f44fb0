-- As drop_empty_shares.sql, of the days that the recompute changed.
-- $1 shard
DELETE FROM day_shares s
USING recompute_days d
WHERE d.shard = $1::int AND s.shard = d.shard AND s.campaign_id = d.campaign_id AND s.day = d.day
	AND s.clicks = 0 AND s.conversions = 0 AND s.value_minor = 0 AND s.unattributed = 0
	AND s.unattributed_value_minor = 0 AND s.day < (SELECT listed_through FROM journal_state)
	AND NOT EXISTS (
		SELECT FROM counted_buckets b
		WHERE b.campaign_id = s.campaign_id AND b.shard = s.shard
			AND b.bucket >= s.day::timestamp AT TIME ZONE 'UTC'
			AND b.bucket < (s.day + 1)::timestamp AT TIME ZONE 'UTC')
