-- Every shard's version, and how far days are closed (days since 1970), in one snapshot.
SELECT s.closed_through - date '1970-01-01', f.partition, f.version
FROM journal_state s
LEFT JOIN partition_fences f ON true
ORDER BY f.partition
