-- Take out the staged clicks whose id and time are stored with another content; answers their places.
DELETE FROM staged_clicks s
WHERE EXISTS (
	SELECT FROM click_events e
	WHERE e.click_id = s.click_id AND e.click_date = s.click_date
		AND (e.user_id, e.campaign_id, e.source) IS DISTINCT FROM (s.user_id, s.campaign_id, s.source)
	OFFSET 0 -- row by row, as in reattribute.sql
)
RETURNING s.n
