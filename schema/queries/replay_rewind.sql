-- Set a partition's next offsets back, never forward. The epoch rises, so that batches of older claims, which
-- would move them on again, change nothing; counts and version stay. Answers no row where nothing is to be done.
-- $1 partition, $2 owner, $3.. the offset wanted of each topic, NULL: leave it
UPDATE partition_fences
SET next_offset = ARRAY[least(next_offset[1], $3::bigint), least(next_offset[2], $4::bigint),
		least(next_offset[3], $5::bigint)],
	epoch = epoch + 1, owner = $2, backend_pid = NULL, claimed_at = now(), updated_at = now()
WHERE partition = $1::int AND (next_offset[1] > $3::bigint OR next_offset[2] > $4::bigint
	OR next_offset[3] > $5::bigint)
RETURNING epoch, version, next_offset, high_offset
