-- Hold all shards: their writers wait.
SELECT partition FROM partition_fences ORDER BY partition FOR UPDATE
