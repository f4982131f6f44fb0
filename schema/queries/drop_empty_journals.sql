-- Drop the staged days' journals, and the weeks and months that they lie in, where nothing is left in them.
WITH periods AS (
	DELETE FROM campaign_statistics
	WHERE ctid = ANY (ARRAY (
		SELECT s.place
		FROM (
			SELECT DISTINCT d.campaign_id, k.period_kind, date_trunc(k.unit, d.day::timestamp)::date AS period
			FROM staged_days d
			CROSS JOIN (VALUES ('weekly', 'week'), ('monthly', 'month')) AS k (period_kind, unit)
		) p
		CROSS JOIN LATERAL (
			SELECT e.ctid AS place
			FROM campaign_statistics e
			WHERE e.campaign_id = p.campaign_id AND e.period_kind = p.period_kind AND e.period = p.period
				AND e.clicks = 0 AND e.conversions = 0 AND e.value_minor = 0 AND e.unattributed = 0
				AND e.unattributed_value_minor = 0
			OFFSET 0 -- as clear_quarters.sql
		) s))
)
DELETE FROM campaign_journals
WHERE ctid = ANY (ARRAY (
	SELECT j.place
	FROM staged_days d
	CROSS JOIN LATERAL (
		SELECT e.ctid AS place
		FROM campaign_journals e
		WHERE e.campaign_id = d.campaign_id AND e.day = d.day AND e.clicks = 0 AND e.conversions = 0
			AND e.value_minor = 0 AND e.unattributed = 0 AND e.unattributed_value_minor = 0
		OFFSET 0
	) j))
