-- Let the day shares follow.
INSERT INTO day_shares AS d (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, day, 0, conversions, value_minor, unattributed, unattributed_value_minor
FROM recompute_days
ON CONFLICT (campaign_id, day, shard) DO UPDATE
SET conversions = d.conversions + excluded.conversions, value_minor = d.value_minor + excluded.value_minor,
	unattributed = d.unattributed + excluded.unattributed,
	unattributed_value_minor = d.unattributed_value_minor + excluded.unattributed_value_minor
