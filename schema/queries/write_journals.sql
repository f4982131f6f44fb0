-- Write the journals of the staged days from their buckets.
INSERT INTO campaign_journals AS j (campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT s.campaign_id, s.day, coalesce(c.clicks, 0), coalesce(v.credit, 0) / 1000000, coalesce(v.value_minor, 0),
	coalesce(v.unattributed, 0), coalesce(v.unattributed_value_minor, 0)
FROM staged_days s
CROSS JOIN LATERAL (
	SELECT sum(b.clicks) AS clicks
	FROM click_buckets b
	WHERE b.campaign_id = s.campaign_id AND b.bucket >= s.day::timestamp AT TIME ZONE 'UTC'
		AND b.bucket < (s.day + 1)::timestamp AT TIME ZONE 'UTC'
) c
CROSS JOIN LATERAL (
	SELECT sum(b.credit) AS credit, sum(b.value_minor) AS value_minor, sum(b.unattributed) AS unattributed,
		sum(b.unattributed_value_minor) AS unattributed_value_minor
	FROM counted_buckets b
	WHERE b.campaign_id = s.campaign_id AND b.bucket >= s.day::timestamp AT TIME ZONE 'UTC'
		AND b.bucket < (s.day + 1)::timestamp AT TIME ZONE 'UTC' AND b.model = 'last_click'
) v
ORDER BY s.campaign_id, s.day
ON CONFLICT (campaign_id, day) DO UPDATE
SET clicks = excluded.clicks, conversions = excluded.conversions, value_minor = excluded.value_minor,
	unattributed = excluded.unattributed, unattributed_value_minor = excluded.unattributed_value_minor,
	updated_at = now()
