-- Journals of closed days beside the recount of all shards. Days with a listed change that is not in the journals
-- yet are pending.
-- $1 first day, $2 last day
WITH dirty AS MATERIALIZED (
	SELECT DISTINCT c.campaign_id, c.day
	FROM journal_changes c
	LEFT JOIN journal_progress p ON p.shard = c.shard
	WHERE c.version > coalesce(p.version, -1)
), cells AS MATERIALIZED (
	SELECT campaign_id, day, x.campaign_id IS NOT NULL AS pending,
		ARRAY[coalesce(j.clicks, 0), coalesce(j.conversions, 0), coalesce(j.value_minor, 0),
			coalesce(j.unattributed, 0), coalesce(j.unattributed_value_minor, 0)] AS stored,
		ARRAY[coalesce(r.clicks, 0), coalesce(r.conversions, 0), coalesce(r.value_minor, 0),
			coalesce(r.unattributed, 0), coalesce(r.unattributed_value_minor, 0)] AS recounted
	FROM (
		SELECT *
		FROM campaign_journals
		WHERE day BETWEEN $1::date AND $2::date AND day <= (SELECT closed_through FROM journal_state)
	) j
	FULL JOIN (
		SELECT campaign_id, day, sum(clicks) AS clicks, sum(conversions) AS conversions,
			sum(value_minor) AS value_minor, sum(unattributed) AS unattributed,
			sum(unattributed_value_minor) AS unattributed_value_minor
		FROM recounted_days
		WHERE day <= (SELECT closed_through FROM journal_state)
		GROUP BY 1, 2
	) r USING (campaign_id, day)
	LEFT JOIN dirty x USING (campaign_id, day)
), wrong AS (
	INSERT INTO differences ("table", campaign_id, day, stored, recounted)
	SELECT 'campaign_journals', campaign_id, day, stored, recounted
	FROM cells
	WHERE NOT pending AND stored <> recounted
	RETURNING 1
)
SELECT count(*), (SELECT count(*) FROM wrong), count(*) FILTER (WHERE pending) FROM cells
