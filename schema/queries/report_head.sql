-- How far days are closed (days since 1970); how many of these campaigns are not registered (the nil one always is);
-- and the days of them that changed since their journals were written, ascending. One row at least.
-- $1 campaigns
SELECT s.closed_through - date '1970-01-01', u.unknown, d.day - date '1970-01-01'
FROM journal_state s
CROSS JOIN (
	SELECT count(*) AS unknown
	FROM unnest($1::uuid[]) AS w (id)
	WHERE NOT EXISTS (SELECT FROM campaigns c WHERE c.campaign_id = w.id)
		AND w.id <> '00000000-0000-0000-0000-000000000000'
) u
LEFT JOIN (
	SELECT DISTINCT c.day
	FROM partition_fences f
	LEFT JOIN journal_progress p ON p.shard = f.partition
	JOIN journal_changes c ON c.shard = f.partition AND c.version > coalesce(p.version, -1)
	WHERE c.campaign_id = ANY ($1::uuid[])
) d ON d.day <= s.closed_through
ORDER BY 3
