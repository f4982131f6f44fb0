-- Is there a stored conversion that one of the clicks may be a touch of, or that names one? As stage_targets.sql, which
-- need not be run if there is none.
-- $1 the longest window, milliseconds, $2 clicks
WITH any_named AS (
	SELECT (
		SELECT named_click_id FROM conversion_events
		WHERE named_click_id >= '00000000-0000-0000-0000-000000000000'
		ORDER BY named_click_id -- as there
		LIMIT 1) IS NOT NULL AS named
)
SELECT EXISTS (
	SELECT
	FROM unnest($2::pg_temp.staged_click[]) k
	CROSS JOIN LATERAL (
		SELECT
		FROM conversion_events c
		WHERE c.user_id = k.user_id AND c.conversion_date >= k.click_date
			AND c.conversion_date <= k.click_date + $1::bigint * interval '1 millisecond'
		UNION ALL
		SELECT
		FROM conversion_events c
		WHERE c.named_click_id = k.click_id AND c.user_id = k.user_id AND c.conversion_date >= k.click_date
			AND (SELECT named FROM any_named)
		OFFSET 0
	) w)
