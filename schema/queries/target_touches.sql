-- The latest clicks of every target's user, from its conversion back to the longest window, the latest first.
-- $1 the longest window, milliseconds, $2 clicks of a target at the most
SELECT s.t, c.click_id, (extract(epoch FROM c.click_date) * 1000)::bigint, c.campaign_id, c.source
FROM staged_targets s
CROSS JOIN LATERAL (
	SELECT k.click_id, k.click_date, k.campaign_id, k.source
	FROM click_events k
	WHERE k.user_id = s.user_id AND k.click_date <= s.conversion_date
		AND k.click_date >= s.conversion_date - $1::bigint * interval '1 millisecond'
	ORDER BY k.click_date DESC, k.click_id DESC
	LIMIT $2::int
) c
ORDER BY s.t, c.click_date DESC, c.click_id DESC
