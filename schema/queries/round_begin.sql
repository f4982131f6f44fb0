-- Begin a round of following unless one is open: note how far the listed changes go, whole versions, of each shard about
-- so many rows, and which campaign days they are of.
-- $1 rows of a shard
WITH upto AS MATERIALIZED (
	SELECT f.partition AS shard, coalesce(p.version, -1) AS done, last.version
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
	) last
	WHERE last.version IS NOT NULL AND NOT EXISTS (SELECT FROM round_versions)
), noted AS (
	INSERT INTO round_versions (shard, version) SELECT shard, version FROM upto
), placed AS (
	INSERT INTO round_place (campaign_id, day)
	SELECT '00000000-0000-0000-0000-000000000000', '-infinity'
	WHERE EXISTS (SELECT FROM upto)
)
INSERT INTO round_days (campaign_id, day)
SELECT DISTINCT c.campaign_id, c.day
FROM upto u
JOIN journal_changes c ON c.shard = u.shard AND c.version > u.done AND c.version <= u.version
