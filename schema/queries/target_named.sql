-- The click that a target names, if it is its user's and not after it; of those with that id the latest.
SELECT s.t, c.click_id, (extract(epoch FROM c.click_date) * 1000)::bigint, c.campaign_id, c.source
FROM staged_targets s
CROSS JOIN LATERAL (
	SELECT k.*
	FROM click_events k
	WHERE k.click_id = s.named_click_id AND k.user_id = s.user_id AND k.click_date <= s.conversion_date
	ORDER BY k.click_date DESC
	LIMIT 1
) c
WHERE s.named_click_id IS NOT NULL
