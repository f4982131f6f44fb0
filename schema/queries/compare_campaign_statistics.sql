-- Weeks and months beside the recount of their closed days; what else they hold (days outside $1 to $2, open days
-- journaled on demand) is taken from the journals. Periods with a listed change that is not in the journals yet are
-- pending.
-- $1 first day, $2 last day
WITH kinds (period_kind, unit, length) AS (
	VALUES ('weekly', 'week', interval '7 days'), ('monthly', 'month', interval '1 month')
), dirty AS MATERIALIZED (
	SELECT DISTINCT c.campaign_id, k.period_kind, date_trunc(k.unit, c.day::timestamp)::date AS period
	FROM journal_changes c
	LEFT JOIN journal_progress p ON p.shard = c.shard
	CROSS JOIN kinds k
	WHERE c.version > coalesce(p.version, -1)
), days AS (
	SELECT campaign_id, day, clicks, conversions, value_minor, unattributed, unattributed_value_minor
	FROM recounted_days
	WHERE day <= (SELECT closed_through FROM journal_state)
	UNION ALL
	SELECT campaign_id, day, clicks, conversions, value_minor, unattributed, unattributed_value_minor
	FROM campaign_journals
	WHERE day NOT BETWEEN $1::date AND $2::date OR day > (SELECT closed_through FROM journal_state)
), cells AS MATERIALIZED (
	SELECT campaign_id, period_kind, period, x.campaign_id IS NOT NULL AS pending,
		ARRAY[coalesce(s.clicks, 0), coalesce(s.conversions, 0), coalesce(s.value_minor, 0),
			coalesce(s.unattributed, 0), coalesce(s.unattributed_value_minor, 0)] AS stored,
		ARRAY[coalesce(r.clicks, 0), coalesce(r.conversions, 0), coalesce(r.value_minor, 0),
			coalesce(r.unattributed, 0), coalesce(r.unattributed_value_minor, 0)] AS recounted
	FROM (
		SELECT s.*
		FROM campaign_statistics s
		JOIN kinds k USING (period_kind)
		WHERE s.period <= $2::date AND s.period + k.length > $1::date
	) s
	FULL JOIN (
		SELECT d.campaign_id, k.period_kind, date_trunc(k.unit, d.day::timestamp)::date AS period,
			sum(d.clicks) AS clicks, sum(d.conversions) AS conversions, sum(d.value_minor) AS value_minor,
			sum(d.unattributed) AS unattributed, sum(d.unattributed_value_minor) AS unattributed_value_minor
		FROM days d
		CROSS JOIN kinds k
		WHERE date_trunc(k.unit, d.day::timestamp) <= $2::date
			AND date_trunc(k.unit, d.day::timestamp) + k.length > $1::date
		GROUP BY 1, 2, 3
	) r USING (campaign_id, period_kind, period)
	LEFT JOIN dirty x USING (campaign_id, period_kind, period)
), wrong AS (
	INSERT INTO differences ("table", campaign_id, day, period_kind, stored, recounted)
	SELECT 'campaign_statistics', campaign_id, period, period_kind, stored, recounted
	FROM cells
	WHERE NOT pending AND stored <> recounted
	RETURNING 1
)
SELECT count(*), (SELECT count(*) FROM wrong), count(*) FILTER (WHERE pending) FROM cells
