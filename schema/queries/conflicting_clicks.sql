-- The staged clicks whose id and time are stored with another content: their places.
-- $1 clicks
SELECT s.n
FROM unnest($1::pg_temp.staged_click[]) s
WHERE EXISTS (
	SELECT FROM click_events e
	WHERE e.click_id = s.click_id AND e.click_date = s.click_date
		AND (e.user_id, e.campaign_id, e.source) IS DISTINCT FROM (s.user_id, s.campaign_id, s.source)
	OFFSET 0 -- row by row, so that the planner cannot turn the join round
)
