-- The stored conversions of an id, the latest first: a row for each touch of its path, in order, with its credits, or
-- one without a touch. Before it what the conversion is, behind it the last click that is stored beside the path, and
-- how many conversions have this id, and what is booked as its adjustments' result.
-- $1 id, $2 most conversions
SELECT (extract(epoch FROM c.conversion_date) * 1000)::bigint, c.user_id, c.campaign_id, c.source, c.type, c.value_minor,
	c.named_click_id, c.path_extras, c.path_beyond,
	u.click_id, (extract(epoch FROM u.click_date) * 1000)::bigint, u.campaign_id, u.source,
	c.credits[u.place], c.credits[n.touches + u.place], c.credits[2 * n.touches + u.place],
	c.credits[3 * n.touches + u.place], c.credits[4 * n.touches + u.place], c.credits[5 * n.touches + u.place],
	c.click_id, (extract(epoch FROM c.click_date) * 1000)::bigint, c.found, c.adjusted_minor, c.is_cancelled
FROM (
	SELECT e.*, count(*) OVER () AS found
	FROM counted_conversions e
	WHERE e.conversion_id = $1::uuid
	ORDER BY e.conversion_date DESC
	LIMIT $2::int
) c
CROSS JOIN LATERAL (SELECT cardinality(c.touch_ids) AS touches) n
LEFT JOIN LATERAL unnest(c.touch_ids, c.touch_dates, c.touch_campaigns, c.touch_sources) WITH ORDINALITY
	AS u (click_id, click_date, campaign_id, source, place) ON true
ORDER BY c.conversion_date DESC, u.place
