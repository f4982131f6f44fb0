-- The exact sums of a campaign's days. One row at least: whether the campaign is registered, how far days are
-- closed, and no day.
-- $1 campaign, $2 first day, $3 last day (days since 1970)
SELECT EXISTS (SELECT FROM campaigns c WHERE c.campaign_id = $1::uuid),
	s.closed_through - date '1970-01-01', d.day - date '1970-01-01', d.clicks, d.conversions, d.unattributed,
	d.value_minor, d.unattributed_value_minor
FROM journal_state s
LEFT JOIN (
	SELECT day, sum(clicks) AS clicks, sum(conversions) AS conversions, sum(unattributed) AS unattributed,
		sum(value_minor) AS value_minor, sum(unattributed_value_minor) AS unattributed_value_minor
	FROM day_shares
	WHERE campaign_id = $1::uuid
		AND day BETWEEN date '1970-01-01' + $2::int AND date '1970-01-01' + $3::int
	GROUP BY day
) d ON true
ORDER BY d.day
