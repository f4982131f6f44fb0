-- Cut the wrong attributions into pieces of one shard.
-- $1 rows of a piece
UPDATE wrong_attributions a
SET piece = n.piece
FROM (
	SELECT ctid AS place, (row_number() OVER (PARTITION BY shard ORDER BY conversion_date) - 1) / $1::int AS piece
	FROM wrong_attributions
) n
WHERE a.ctid = n.place
