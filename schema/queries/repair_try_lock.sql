-- One repair at a time: a difference that two of them add would be there twice. Held by the connection.
SELECT pg_try_advisory_lock(hashtext('tyrattribution repair'))
