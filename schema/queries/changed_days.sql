-- Days changed after the versions already seen, with their present sums.
-- $1 shards, $2 versions seen
SELECT c.campaign_id, c.day - date '1970-01-01', sum(d.clicks), sum(d.conversions), sum(d.unattributed),
	sum(d.value_minor), sum(d.unattributed_value_minor)
FROM (
	SELECT DISTINCT j.campaign_id, j.day
	FROM unnest($1::int[], $2::bigint[]) AS seen (shard, version)
	JOIN journal_changes j ON j.shard = seen.shard AND j.version > seen.version
) c
JOIN day_shares d ON d.campaign_id = c.campaign_id AND d.day = c.day
GROUP BY 1, 2
