-- End the backend that holds a partition's fence row: its owner is frozen inside a transaction.
-- $1 partition
SELECT pg_terminate_backend(a.pid)
FROM partition_fences f
JOIN pg_stat_activity a ON a.pid = f.backend_pid
WHERE f.partition = $1::int AND a.application_name LIKE 'tyrattribution%'
