-- A campaign's closed days, from its journals; days whose journal is behind the list of changes from the shares.
-- One row at least: closed_through, whether the campaign is registered, and no day.
-- $1 campaign
WITH dirty AS (
	SELECT DISTINCT c.day
	FROM partition_fences f
	LEFT JOIN journal_progress p ON p.shard = f.partition
	JOIN journal_changes c ON c.shard = f.partition AND c.version > coalesce(p.version, -1)
	WHERE c.campaign_id = $1::uuid
), days AS (
	SELECT j.day, j.clicks, j.conversions, j.unattributed, j.value_minor, j.unattributed_value_minor
	FROM campaign_journals j
	WHERE j.campaign_id = $1::uuid AND j.day NOT IN (SELECT day FROM dirty)
	UNION ALL
	SELECT d.day, sum(d.clicks), sum(d.conversions), sum(d.unattributed), sum(d.value_minor),
		sum(d.unattributed_value_minor)
	FROM day_shares d
	WHERE d.campaign_id = $1::uuid AND d.day IN (SELECT day FROM dirty)
	GROUP BY d.day
)
SELECT s.closed_through - date '1970-01-01',
	EXISTS (SELECT FROM campaigns c WHERE c.campaign_id = $1::uuid),
	d.day - date '1970-01-01', d.clicks, d.conversions, d.unattributed, d.value_minor, d.unattributed_value_minor
FROM journal_state s
LEFT JOIN days d ON d.day <= s.closed_through
ORDER BY d.day
