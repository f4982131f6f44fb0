-- Pack the quarters of the staged days from their buckets; see migration 005_campaign_quarters for the form.
INSERT INTO campaign_quarters (campaign_id, day, model, quarters)
SELECT s.campaign_id, s.day, '', c.quarters
FROM staged_days s
CROSS JOIN LATERAL (
	SELECT string_agg(int2send(quarter::smallint) || int8send(clicks), '' ORDER BY quarter) AS quarters
	FROM (
		SELECT extract(epoch FROM b.bucket - s.day::timestamp AT TIME ZONE 'UTC') / 900 AS quarter,
			sum(b.clicks)::bigint AS clicks
		FROM click_buckets b
		WHERE b.campaign_id = s.campaign_id AND b.bucket >= s.day::timestamp AT TIME ZONE 'UTC'
			AND b.bucket < (s.day + 1)::timestamp AT TIME ZONE 'UTC'
		GROUP BY 1
		HAVING sum(b.clicks) <> 0
	) q
) c
WHERE c.quarters IS NOT NULL
UNION ALL
SELECT s.campaign_id, s.day, v.model, v.quarters
FROM staged_days s
CROSS JOIN LATERAL (
	SELECT model, string_agg(pack_conversions(quarter, credit, unattributed, value_minor, unattributed_value_minor), ''
		ORDER BY quarter) AS quarters
	FROM (
		SELECT b.model, extract(epoch FROM b.bucket - s.day::timestamp AT TIME ZONE 'UTC') / 900 AS quarter,
			sum(b.credit) AS credit, sum(b.unattributed) AS unattributed,
			sum(b.value_minor) AS value_minor, sum(b.unattributed_value_minor) AS unattributed_value_minor
		FROM counted_buckets b
		WHERE b.campaign_id = s.campaign_id AND b.bucket >= s.day::timestamp AT TIME ZONE 'UTC'
			AND b.bucket < (s.day + 1)::timestamp AT TIME ZONE 'UTC'
		GROUP BY 1, 2
		HAVING sum(b.credit) <> 0 OR sum(b.unattributed) <> 0 OR sum(b.value_minor) <> 0
	) q
	GROUP BY model
) v
ORDER BY 1, 2, 3
