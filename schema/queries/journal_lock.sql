-- One journal transaction at a time, in all processes.
SELECT pg_advisory_xact_lock(hashtext('journal'))
