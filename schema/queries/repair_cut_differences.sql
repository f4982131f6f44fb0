-- Cut the differences into pieces of one shard, days together. What has no shard gets one that has a version to raise.
-- $1 rows of a piece
UPDATE differences d
SET shard = n.shard, piece = n.piece
FROM (
	SELECT place, shard, (row_number() OVER (PARTITION BY shard ORDER BY day, campaign_id) - 1) / $1::int AS piece
	FROM (
		SELECT ctid AS place, day, campaign_id,
			coalesce(shard, (SELECT min(partition) FROM partition_fences), 0) AS shard
		FROM differences
	) placed
) n
WHERE d.ctid = n.place
