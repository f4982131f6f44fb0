-- What is to be repaired, piece by piece.
SELECT 0 AS kind, shard, piece, count(*) FROM wrong_attributions GROUP BY 2, 3
UNION ALL
SELECT 1, shard, piece, count(*) FROM differences GROUP BY 2, 3
ORDER BY 1, 2, 3
