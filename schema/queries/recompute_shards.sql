-- The shards that there are, or for which something was prepared.
SELECT partition FROM partition_fences
UNION
SELECT shard FROM recompute_paths
UNION
SELECT shard FROM recompute_days
ORDER BY 1
