-- The pieces that are still to be looked at.
SELECT shard, piece, count(*) FROM recompute_work GROUP BY 1, 2 ORDER BY 2, 1
