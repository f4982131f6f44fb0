-- Take over a partition number: the epoch rises, so that an older owner's transactions change nothing.
-- $1 partition, $2 owner
INSERT INTO partition_fences AS f (partition, epoch, owner)
VALUES ($1::int, 1, $2)
ON CONFLICT (partition) DO UPDATE
SET epoch = f.epoch + 1, owner = excluded.owner, backend_pid = NULL, claimed_at = now()
RETURNING epoch, version, next_offset
