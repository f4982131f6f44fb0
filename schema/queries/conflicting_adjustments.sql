-- Take out the staged adjustments whose id and time are stored with another content; answers their places.
DELETE FROM staged_adjustments s
WHERE EXISTS (
	SELECT FROM adjustment_events e
	WHERE e.adjustment_id = s.adjustment_id AND e.adjustment_date = s.adjustment_date
		AND (e.user_id, e.conversion_id, e.change, e.amount_minor)
			IS DISTINCT FROM (s.user_id, s.conversion_id, s.change, s.amount_minor)
	OFFSET 0 -- row by row, so that the planner cannot turn the join round
)
RETURNING s.n
