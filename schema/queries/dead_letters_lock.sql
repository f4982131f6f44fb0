-- One replay or drop at a time; held until the connection ends.
SELECT pg_try_advisory_lock(hashtext('tyrattribution dead-letters'))::int
