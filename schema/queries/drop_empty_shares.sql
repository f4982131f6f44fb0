-- Drop the day shares from which the batch has taken away all that they stood for, after drop_empty_buckets.sql. Those
-- of live days stay, as zeros: live_days.sql names what Redis may hold, and a counter that starts over must find there
-- what it has to write zeros over.
-- $1 shard, $2 deltas
DELETE FROM day_shares s
USING (
	SELECT DISTINCT campaign_id, (bucket AT TIME ZONE 'UTC')::date AS day
	FROM unnest($2::pg_temp.staged_delta[])
	WHERE credit < 0 OR unattributed < 0
) d
CROSS JOIN LATERAL (
	SELECT e.ctid AS place
	FROM day_shares e
	WHERE e.campaign_id = d.campaign_id AND e.day = d.day AND e.shard = $1::int AND e.clicks = 0 AND e.conversions = 0
		AND e.value_minor = 0 AND e.unattributed = 0 AND e.unattributed_value_minor = 0
		AND e.day < (SELECT listed_through FROM journal_state)
		AND NOT EXISTS (
			SELECT FROM counted_buckets b
			WHERE b.campaign_id = e.campaign_id AND b.shard = e.shard
				AND b.bucket >= e.day::timestamp AT TIME ZONE 'UTC'
				AND b.bucket < (e.day + 1)::timestamp AT TIME ZONE 'UTC'
			OFFSET 0)
	OFFSET 0
) e
WHERE s.ctid = e.place
