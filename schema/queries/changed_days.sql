-- Days changed after the versions already seen, with their present sums: zeros where there is nothing.
-- $1 shards, $2 versions seen
SELECT c.campaign_id, c.day - date '1970-01-01', coalesce(sum(d.clicks), 0), coalesce(sum(d.conversions), 0),
	coalesce(sum(d.unattributed), 0), coalesce(sum(d.value_minor), 0), coalesce(sum(d.unattributed_value_minor), 0)
FROM (
	SELECT DISTINCT j.campaign_id, j.day
	FROM unnest($1::int[], $2::bigint[]) AS seen (shard, version)
	JOIN journal_changes j ON j.shard = seen.shard AND j.version > seen.version
) c
LEFT JOIN day_shares d ON d.campaign_id = c.campaign_id AND d.day = c.day
GROUP BY 1, 2
