-- Drop the staged days' journals, and the weeks and months that they lie in, where nothing is left in them.
WITH periods AS (
	DELETE FROM campaign_statistics s
	USING staged_days d
	WHERE s.campaign_id = d.campaign_id AND s.period_kind IN ('weekly', 'monthly')
		AND s.period = date_trunc(CASE s.period_kind WHEN 'weekly' THEN 'week' ELSE 'month' END, d.day::timestamp)::date
		AND s.clicks = 0 AND s.conversions = 0 AND s.value_minor = 0 AND s.unattributed = 0
		AND s.unattributed_value_minor = 0
)
DELETE FROM campaign_journals j
USING staged_days d
WHERE j.campaign_id = d.campaign_id AND j.day = d.day AND j.clicks = 0 AND j.conversions = 0 AND j.value_minor = 0
	AND j.unattributed = 0 AND j.unattributed_value_minor = 0
