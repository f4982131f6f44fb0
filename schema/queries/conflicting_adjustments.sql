-- The staged adjustments whose id and time are stored with another content: their places.
-- $1 adjustments
SELECT s.n
FROM unnest($1::pg_temp.staged_adjustment[]) s
WHERE EXISTS (
	SELECT FROM adjustment_events e
	WHERE e.adjustment_id = s.adjustment_id AND e.adjustment_date = s.adjustment_date
		AND (e.user_id, e.conversion_id, e.change, e.amount_minor)
			IS DISTINCT FROM (s.user_id, s.conversion_id, s.change, s.amount_minor)
	OFFSET 0 -- row by row, so that the planner cannot turn the join round
)
