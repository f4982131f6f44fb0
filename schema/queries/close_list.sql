-- From here on every transaction lists its changes to days up to $1. The exclusive lock waits for the
-- transactions that began before; those that come after see the new date.
-- $1 day (days since 1970)
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('journal_state')))
UPDATE journal_state SET listed_through = greatest(listed_through, date '1970-01-01' + $1::int)
FROM locked
