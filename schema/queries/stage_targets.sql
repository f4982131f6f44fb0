-- Stage the conversions whose paths a batch makes: those of the batch that are not stored yet, and the stored ones
-- of its clicks' users that a click may be a touch of, or that name one, or that its adjustments name. Nobody moves a
-- stored row in between, since only the holder of the fence writes a user's rows. Answers them: t, the place in the
-- batch, of those that are stored what they are, and of all what their adjustments make of them.
-- $1 the longest window, milliseconds, $2 clicks, $3 conversions, $4 adjustments
WITH any_named AS (
	-- Where no stored conversion names a click, none of the partitions need be asked for each click.
	SELECT (
		SELECT named_click_id FROM conversion_events
		WHERE named_click_id >= '00000000-0000-0000-0000-000000000000'
		ORDER BY named_click_id -- so that one row of each partition's index is read, whatever there is
		LIMIT 1) IS NOT NULL AS named
), targets AS (
	(
		SELECT DISTINCT ON (s.conversion_id, s.conversion_date) s.n, NULL::oid AS home, NULL::tid AS place,
			s.conversion_id, s.conversion_date, s.user_id, s.campaign_id, s.source, s.type, s.value_minor,
			s.named_click_id, s.log_offset, s.accepted_at
		FROM unnest($3::pg_temp.staged_conversion[]) s
		WHERE NOT EXISTS (
			SELECT FROM conversion_events e
			WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
			OFFSET 0) -- row by row, so that the planner cannot turn the join round
		ORDER BY s.conversion_id, s.conversion_date, s.n
	)
	UNION ALL
	(
		SELECT DISTINCT ON (v.conversion_id, v.conversion_date) NULL::int, v.home, v.place, v.conversion_id,
			v.conversion_date, v.user_id, v.campaign_id, v.source, v.type, v.value_minor, v.named_click_id,
			NULL::bigint, NULL::timestamptz
		FROM (
			SELECT w.*
			FROM unnest($2::pg_temp.staged_click[]) k
			CROSS JOIN LATERAL (
				SELECT c.*, c.tableoid AS home, c.ctid AS place
				FROM conversion_events c
				WHERE c.user_id = k.user_id AND c.conversion_date >= k.click_date
					AND c.conversion_date <= k.click_date + $1::bigint * interval '1 millisecond'
				UNION ALL
				SELECT c.*, c.tableoid, c.ctid
				FROM conversion_events c
				WHERE c.named_click_id = k.click_id AND c.user_id = k.user_id AND c.conversion_date >= k.click_date
					AND (SELECT named FROM any_named)
				OFFSET 0
			) w
			UNION ALL
			SELECT w.*
			FROM unnest($4::pg_temp.staged_adjustment[]) a
			CROSS JOIN LATERAL (
				SELECT c.*, c.tableoid AS home, c.ctid AS place
				FROM conversion_events c
				WHERE c.conversion_id = a.conversion_id AND c.user_id = a.user_id
				OFFSET 0
			) w
		) v
		ORDER BY v.conversion_id, v.conversion_date
	)
)
INSERT INTO staged_targets AS s
SELECT row_number() OVER (), t.*, a.adjusted_minor, a.is_cancelled
FROM targets t
CROSS JOIN LATERAL adjustments_of(t.conversion_id, t.user_id, t.value_minor) a
RETURNING s.t, s.n, s.conversion_id, (extract(epoch FROM s.conversion_date) * 1000)::bigint, s.campaign_id, s.source,
	s.type, s.value_minor, s.named_click_id, s.adjusted_minor, s.is_cancelled
