-- Write the weeks and months that the staged days lie in from the journals.
INSERT INTO campaign_statistics AS s (campaign_id, period_kind, period, clicks, conversions, value_minor,
	unattributed, unattributed_value_minor)
SELECT p.campaign_id, p.period_kind, p.period, sum(j.clicks), sum(j.conversions), sum(j.value_minor),
	sum(j.unattributed), sum(j.unattributed_value_minor)
FROM (
	SELECT DISTINCT d.campaign_id, k.period_kind, date_trunc(k.unit, d.day::timestamp)::date AS period,
		(date_trunc(k.unit, d.day::timestamp) + k.length)::date AS upto
	FROM staged_days d
	CROSS JOIN (VALUES ('weekly', 'week', interval '7 days'), ('monthly', 'month', interval '1 month'))
		AS k (period_kind, unit, length)
) p
CROSS JOIN LATERAL (
	SELECT e.*
	FROM campaign_journals e
	WHERE e.campaign_id = p.campaign_id AND e.day >= p.period AND e.day < p.upto
	OFFSET 0 -- as clear_quarters.sql
) j
GROUP BY p.campaign_id, p.period_kind, p.period
ON CONFLICT (campaign_id, period_kind, period) DO UPDATE
SET clicks = excluded.clicks, conversions = excluded.conversions, value_minor = excluded.value_minor,
	unattributed = excluded.unattributed, unattributed_value_minor = excluded.unattributed_value_minor,
	updated_at = now()
