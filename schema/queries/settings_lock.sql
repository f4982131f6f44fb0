-- Before settings are changed: wait for every batch that may have read the old ones, and let none begin. Batches hold
-- the shared lock from their first statement on (see fence_lock.sql) and read the settings in a later one.
SELECT pg_advisory_xact_lock(hashtext('journal_state'))
