-- Stage a piece of the listed conversions for having their paths made, as stage_targets.sql.
-- $1 piece
INSERT INTO staged_targets AS s
SELECT row_number() OVER (), NULL, c.home, c.place, c.conversion_id, c.conversion_date, c.user_id, c.campaign_id,
	c.source, c.type, c.value_minor, c.named_click_id, NULL, NULL, j.adjusted_minor, j.is_cancelled
FROM recounted_keys p
CROSS JOIN LATERAL (
	SELECT e.*, e.tableoid AS home, e.ctid AS place
	FROM conversion_events e
	WHERE e.conversion_id = p.conversion_id AND e.conversion_date = p.conversion_date
	OFFSET 0
) c
CROSS JOIN LATERAL adjustments_of(c.conversion_id, c.user_id, c.value_minor) j
WHERE p.piece = $1::int
RETURNING s.t, s.n, s.conversion_id, (extract(epoch FROM s.conversion_date) * 1000)::bigint, s.campaign_id, s.source,
	s.type, s.value_minor, s.named_click_id, s.adjusted_minor, s.is_cancelled
