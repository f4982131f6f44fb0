-- The first statement of every batch: lock the fence row if the epoch is still ours. The shared lock is what
-- closing a day waits for (see close_list.sql).
-- $1 partition, $2 epoch
SELECT version, first_offset, next_offset, high_offset, stored, duplicate, dead_lettered, gaps, reread,
	pg_advisory_xact_lock_shared(hashtext('journal_state'))
FROM partition_fences
WHERE partition = $1::int AND epoch = $2::bigint
FOR UPDATE
