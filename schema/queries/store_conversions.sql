-- Store the staged conversions that are not stored yet, each with its last click: same user, campaign and
-- source, not after the conversion, inside the window in force at its date; the latest by (time, id) wins.
-- Notes the bucket deltas, answers how many were stored.
-- $1 shard
WITH staged AS (
	SELECT DISTINCT ON (s.conversion_id, s.conversion_date) s.*,
		s.conversion_date - (
			SELECT w.lookback FROM attribution_windows w
			WHERE w.campaign_id = '00000000-0000-0000-0000-000000000000' AND w.type = ''
				AND w.valid_from <= s.conversion_date
			ORDER BY w.valid_from DESC
			LIMIT 1
		) AS window_start
	FROM staged_conversions s
	ORDER BY s.conversion_id, s.conversion_date, s.n
), stored AS (
	INSERT INTO conversion_events (conversion_id, conversion_date, user_id, campaign_id, source, type,
		value_minor, click_id, click_date, shard)
	SELECT s.conversion_id, s.conversion_date, s.user_id, s.campaign_id, s.source, s.type, s.value_minor,
		k.click_id, k.click_date, $1::int
	FROM staged s
	LEFT JOIN LATERAL (
		SELECT c.click_id, c.click_date
		FROM click_events c
		WHERE c.user_id = s.user_id AND c.campaign_id = s.campaign_id AND c.source = s.source
			AND c.click_date <= s.conversion_date AND c.click_date >= s.window_start
		ORDER BY c.click_date DESC, c.click_id DESC
		LIMIT 1
	) k ON true
	ON CONFLICT DO NOTHING
	RETURNING campaign_id, source, type, conversion_date, value_minor, click_id IS NOT NULL AS attributed
), delta AS (
	INSERT INTO staged_deltas
	SELECT campaign_id, source, type, date_bin('15 minutes', conversion_date, 'epoch'::timestamptz), 0,
		1000000 * count(*) FILTER (WHERE attributed),
		coalesce(sum(value_minor) FILTER (WHERE attributed), 0),
		count(*) FILTER (WHERE NOT attributed),
		coalesce(sum(value_minor) FILTER (WHERE NOT attributed), 0)
	FROM stored
	GROUP BY 1, 2, 3, 4
)
SELECT count(*) FROM stored
