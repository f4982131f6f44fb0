-- Is a round open, or anything listed behind what the journals hold?
SELECT EXISTS (SELECT FROM round_versions) OR EXISTS (
	SELECT
	FROM partition_fences f
	LEFT JOIN journal_progress p ON p.shard = f.partition
	CROSS JOIN LATERAL (
		SELECT
		FROM journal_changes c
		WHERE c.shard = f.partition AND c.version > coalesce(p.version, -1)
		LIMIT 1
	) c
)
