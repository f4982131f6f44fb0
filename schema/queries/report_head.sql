-- The last closed day (days since 1970), and how many of these campaigns are not registered; the nil one always is.
-- $1 campaigns
SELECT s.closed_through - date '1970-01-01', (
		SELECT count(*)
		FROM unnest($1::uuid[]) AS w (id)
		WHERE NOT EXISTS (SELECT FROM campaigns c WHERE c.campaign_id = w.id)
			AND w.id <> '00000000-0000-0000-0000-000000000000'
	)
FROM journal_state s
