-- As target_paths.sql, while a recompute is folded in: of the stored targets the paths that count: a row for each touch, in order, with its credits, or one without a touch.
-- Behind its credits: the last click that is stored beside the path, and what is booked as its adjustments' result.
SELECT s.t, u.click_id, (extract(epoch FROM u.click_date) * 1000)::bigint, u.campaign_id, u.source, c.path_extras,
	c.path_beyond,
	c.credits[u.place], c.credits[n.touches + u.place], c.credits[2 * n.touches + u.place],
	c.credits[3 * n.touches + u.place], c.credits[4 * n.touches + u.place], c.credits[5 * n.touches + u.place],
	c.click_id, (extract(epoch FROM c.click_date) * 1000)::bigint, c.adjusted_minor, c.is_cancelled
FROM staged_targets s
CROSS JOIN LATERAL (
	SELECT e.*
	FROM counted_conversions e
	WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
	OFFSET 0 -- target by target, so that the planner cannot turn the join round
) c
CROSS JOIN LATERAL (SELECT cardinality(c.touch_ids) AS touches) n
LEFT JOIN LATERAL unnest(c.touch_ids, c.touch_dates, c.touch_campaigns, c.touch_sources) WITH ORDINALITY
	AS u (click_id, click_date, campaign_id, source, place) ON true
WHERE s.n IS NULL
ORDER BY s.t, u.place
