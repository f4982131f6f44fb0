-- End the backend that holds a partition's fence row: its owner is frozen inside a transaction. The owner's other
-- backends that hang in one too go with it, so that a successor of many partitions waits once and not for each.
-- $1 partition
SELECT pg_terminate_backend(a.pid)
FROM partition_fences f
JOIN partition_fences o ON o.owner = f.owner
JOIN pg_stat_activity a ON a.pid = o.backend_pid
WHERE f.partition = $1::int AND a.datname = current_database() AND a.application_name LIKE 'tyrattribution%'
	AND (o.partition = f.partition OR a.xact_start < now() - interval '1 second')
