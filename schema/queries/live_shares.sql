-- Every shard's share of some campaign days, zeros included, with the shard's version, in one snapshot.
-- $1 campaigns, $2 days since 1970
SELECT q.campaign_id, q.day, f.partition, f.version, coalesce(d.clicks, 0), coalesce(d.conversions, 0),
	coalesce(d.unattributed, 0), coalesce(d.value_minor, 0), coalesce(d.unattributed_value_minor, 0)
FROM unnest($1::uuid[], $2::int[]) AS q (campaign_id, day)
CROSS JOIN partition_fences f
LEFT JOIN day_shares d ON d.campaign_id = q.campaign_id AND d.day = date '1970-01-01' + q.day
	AND d.shard = f.partition
ORDER BY q.campaign_id, q.day, f.partition
