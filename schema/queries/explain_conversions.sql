-- The stored conversions of an id, the latest first: a row for each touch of its path, in order, as target_paths.sql, with the
-- conversion's time in the place of the target. Behind it what else the conversion is, and how many have this id.
-- $1 id, $2 most conversions
SELECT (extract(epoch FROM c.conversion_date) * 1000)::bigint, u.click_id, (extract(epoch FROM u.click_date) * 1000)::bigint,
	u.campaign_id, u.source, c.path_extras, c.path_beyond,
	c.credits[u.place], c.credits[n.touches + u.place], c.credits[2 * n.touches + u.place],
	c.credits[3 * n.touches + u.place], c.credits[4 * n.touches + u.place], c.credits[5 * n.touches + u.place],
	c.click_id, (extract(epoch FROM c.click_date) * 1000)::bigint, c.adjusted_minor, c.is_cancelled,
	c.user_id, c.campaign_id, c.source, c.type, c.value_minor, c.named_click_id, c.found
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
