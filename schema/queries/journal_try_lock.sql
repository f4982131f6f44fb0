-- As journal_lock, but answers false where another process is at it.
SELECT pg_try_advisory_xact_lock(hashtext('journal'))
