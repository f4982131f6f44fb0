-- The staged conversions whose id and time are stored with another content: their places.
-- $1 conversions
SELECT s.n
FROM unnest($1::pg_temp.staged_conversion[]) s
WHERE EXISTS (
	SELECT FROM conversion_events e
	WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
		AND (e.user_id, e.campaign_id, e.source, e.type, e.value_minor, e.named_click_id)
			IS DISTINCT FROM (s.user_id, s.campaign_id, s.source, s.type, s.value_minor, s.named_click_id)
	OFFSET 0 -- row by row, so that the planner cannot turn the join round
)
