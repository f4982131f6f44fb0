-- Add to what a recompute adds to the day shares, as book_day_shares.sql.
-- $1 shard, $2 deltas
INSERT INTO recompute_days AS d (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT $1::int, campaign_id, (bucket AT TIME ZONE 'UTC')::date, 0,
	coalesce(sum(credit) FILTER (WHERE model = 'last_click'), 0) / 1000000,
	coalesce(sum(value_minor) FILTER (WHERE model = 'last_click'), 0),
	coalesce(sum(unattributed) FILTER (WHERE model = 'last_click'), 0),
	coalesce(sum(unattributed_value_minor) FILTER (WHERE model = 'last_click'), 0)
FROM unnest($2::pg_temp.staged_delta[])
GROUP BY 2, 3
ON CONFLICT (campaign_id, day, shard) DO UPDATE
SET conversions = d.conversions + excluded.conversions, value_minor = d.value_minor + excluded.value_minor,
	unattributed = d.unattributed + excluded.unattributed,
	unattributed_value_minor = d.unattributed_value_minor + excluded.unattributed_value_minor
