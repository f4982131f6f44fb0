-- List the batch's days that a journal may have been written for. Runs under the shared lock of fence_lock.sql,
-- in a statement of its own, so that it sees what closing a day has raised.
-- $1 shard, $2 version
INSERT INTO journal_changes (shard, version, campaign_id, day)
SELECT DISTINCT $1::int, $2::bigint, d.campaign_id, (d.bucket AT TIME ZONE 'UTC')::date
FROM staged_deltas d
WHERE (d.bucket AT TIME ZONE 'UTC')::date <= (SELECT listed_through FROM journal_state)
