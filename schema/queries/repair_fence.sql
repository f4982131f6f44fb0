-- A shard with events but no fence gets one, which the first claim takes over.
-- $1 shard
INSERT INTO partition_fences (partition, epoch, owner) VALUES ($1::int, 0, 'reconcile') ON CONFLICT DO NOTHING
