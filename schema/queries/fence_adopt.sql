-- The writer that will book a partition names its backend, so that a successor can end it.
-- $1 partition, $2 epoch
UPDATE partition_fences SET backend_pid = pg_backend_pid() WHERE partition = $1::int AND epoch = $2::bigint
