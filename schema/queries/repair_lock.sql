-- As fence_lock.sql, whoever owns the shard: its writer waits meanwhile, and goes on from the version left here.
-- $1 shard
SELECT version, pg_advisory_xact_lock_shared(hashtext('journal_state'))
FROM partition_fences
WHERE partition = $1::int
FOR UPDATE
