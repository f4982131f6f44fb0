-- Stage the conversions of a piece, as stage_targets.sql.
-- $1 shard, $2 piece
INSERT INTO staged_targets AS s
SELECT row_number() OVER (), NULL, c.home, c.place, c.conversion_id, c.conversion_date, c.user_id, c.campaign_id,
	c.source, c.type, c.value_minor, c.named_click_id, c.log_offset, c.accepted_at, c.adjusted_minor, c.is_cancelled
FROM recompute_work w
CROSS JOIN LATERAL (
	SELECT e.*, e.tableoid AS home, e.ctid AS place
	FROM conversion_events e
	WHERE e.conversion_id = w.conversion_id AND e.conversion_date = w.conversion_date
	OFFSET 0
) c
WHERE w.shard = $1::int AND w.piece = $2::int
RETURNING s.t, s.n, s.conversion_id, (extract(epoch FROM s.conversion_date) * 1000)::bigint, s.campaign_id, s.source,
	s.type, s.value_minor, s.named_click_id, s.adjusted_minor, s.is_cancelled
