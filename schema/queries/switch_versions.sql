-- Raise all versions, as every transaction does that changes sums.
UPDATE partition_fences SET version = version + 1, updated_at = now()
