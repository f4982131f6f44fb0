-- Add what changes by last click to the shard's days, and list those that a journal may have been written for; answers
-- the days' absolute shares (day as days since 1970). Days that only another model credits have a share of nothing: it
-- says that the campaign has such a day. Runs under the shared lock of fence_lock.sql, in a statement of its own, so
-- that it sees what closing a day has raised.
-- $1 shard, $2 version, $3 days, each once
WITH changed AS MATERIALIZED (
	SELECT * FROM unnest($3::pg_temp.staged_share[])
), listed AS (
	INSERT INTO journal_changes (shard, version, campaign_id, day)
	SELECT $1::int, $2::bigint, campaign_id, day
	FROM changed
	WHERE day <= (SELECT listed_through FROM journal_state)
)
INSERT INTO day_shares AS d (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT $1::int, campaign_id, day, clicks, conversions, value_minor, unattributed, unattributed_value_minor
FROM changed
ON CONFLICT (campaign_id, day, shard) DO UPDATE
SET clicks = d.clicks + excluded.clicks, conversions = d.conversions + excluded.conversions,
	value_minor = d.value_minor + excluded.value_minor, unattributed = d.unattributed + excluded.unattributed,
	unattributed_value_minor = d.unattributed_value_minor + excluded.unattributed_value_minor
RETURNING d.campaign_id, d.day - date '1970-01-01', d.clicks, d.conversions, d.unattributed, d.value_minor,
	d.unattributed_value_minor
