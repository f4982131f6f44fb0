-- Raise a shard's version, as every transaction does that changes its sums.
-- $1 shard, $2 version
UPDATE partition_fences SET version = $2::bigint, updated_at = now() WHERE partition = $1::int
