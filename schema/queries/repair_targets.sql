-- Stage the conversions of a piece of wrong attributions, to make their paths anew by what is stored now: events that
-- came since the recount count. As stage_targets.sql.
-- $1 shard, $2 piece
INSERT INTO staged_targets AS s
SELECT row_number() OVER (), NULL, c.tableoid, c.ctid, c.conversion_id, c.conversion_date, c.user_id, c.campaign_id,
	c.source, c.type, c.value_minor, c.named_click_id, NULL, NULL, j.adjusted_minor, j.is_cancelled
FROM wrong_attributions a
JOIN conversion_events c ON c.conversion_id = a.conversion_id AND c.conversion_date = a.conversion_date
CROSS JOIN LATERAL adjustments_of(c.conversion_id, c.user_id, c.value_minor) j
WHERE a.shard = $1::int AND a.piece = $2::int
RETURNING s.t, s.n, s.conversion_id, (extract(epoch FROM s.conversion_date) * 1000)::bigint, s.campaign_id, s.source,
	s.type, s.value_minor, s.named_click_id, s.adjusted_minor, s.is_cancelled
