-- Take the next listed changes, whole versions at a time, and note how far each shard got.
-- $1 most rows a shard
WITH taken AS (
	SELECT f.partition AS shard, upto.version
	FROM partition_fences f
	LEFT JOIN journal_progress p ON p.shard = f.partition
	CROSS JOIN LATERAL (
		SELECT max(version) AS version
		FROM (
			SELECT c.version
			FROM journal_changes c
			WHERE c.shard = f.partition AND c.version > coalesce(p.version, -1)
			ORDER BY c.version
			LIMIT $1::int
		) next
	) upto
	WHERE upto.version IS NOT NULL
), staged AS (
	INSERT INTO staged_days (campaign_id, day)
	SELECT DISTINCT c.campaign_id, c.day
	FROM taken t
	LEFT JOIN journal_progress p ON p.shard = t.shard
	JOIN journal_changes c ON c.shard = t.shard AND c.version > coalesce(p.version, -1) AND c.version <= t.version
)
INSERT INTO journal_progress AS p (shard, version)
SELECT shard, version FROM taken
ON CONFLICT (shard) DO UPDATE SET version = excluded.version
