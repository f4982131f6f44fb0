-- Hold a shard: its writer waits.
-- $1 shard
SELECT FROM partition_fences WHERE partition = $1::int FOR UPDATE
