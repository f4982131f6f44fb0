-- The clicks, the conversions, the adjustments (with their conversion) and the dead letters of an id, each kind's latest first.
-- $1 id, $2 most of each kind
(
	SELECT 0 AS kind, e.shard, e.log_offset, (extract(epoch FROM e.created_at) * 1000)::bigint AS written,
		(extract(epoch FROM e.click_date) * 1000)::bigint AS at, e.user_id,
		(extract(epoch FROM e.accepted_at) * 1000)::bigint, NULL::bigint, NULL::uuid, NULL::bigint,
		NULL AS topic, NULL AS reason, NULL AS detail, NULL AS state
	FROM click_events e
	WHERE e.click_id = $1::uuid
	ORDER BY e.click_date DESC
	LIMIT $2::int
)
UNION ALL
(
	SELECT 1, e.shard, e.log_offset, (extract(epoch FROM e.created_at) * 1000)::bigint,
		(extract(epoch FROM e.conversion_date) * 1000)::bigint, e.user_id,
		(extract(epoch FROM e.accepted_at) * 1000)::bigint, (extract(epoch FROM e.attributed_at) * 1000)::bigint,
		e.click_id, (extract(epoch FROM e.click_date) * 1000)::bigint, NULL, NULL, NULL, NULL
	FROM counted_conversions e
	WHERE e.conversion_id = $1::uuid
	ORDER BY e.conversion_date DESC
	LIMIT $2::int
)
UNION ALL
(
	SELECT 2, e.shard, e.log_offset, (extract(epoch FROM e.created_at) * 1000)::bigint,
		(extract(epoch FROM e.adjustment_date) * 1000)::bigint, e.user_id,
		(extract(epoch FROM e.accepted_at) * 1000)::bigint, NULL, e.conversion_id, NULL, NULL, NULL, NULL, NULL
	FROM adjustment_events e
	WHERE e.adjustment_id = $1::uuid
	ORDER BY e.adjustment_date DESC
	LIMIT $2::int
)
UNION ALL
(
	SELECT 3, d.partition, d."offset", (extract(epoch FROM d.created_at) * 1000)::bigint, NULL, NULL, NULL, NULL, NULL,
		NULL, d.topic, d.reason, d.detail, d.state
	FROM dead_letters d
	WHERE d.event_id = $1::uuid
	ORDER BY d.created_at DESC, d.topic, d.partition, d."offset"
	LIMIT $2::int
)
ORDER BY kind, at DESC, written DESC
