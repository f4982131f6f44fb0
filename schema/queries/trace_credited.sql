-- The conversions that credit a click, the earliest first: all touches that are kept are credited by some model. Before
-- them how many conversions were looked at, those that follow the click within the longest window or name it, and how
-- many of them credit it. One row at least.
-- $1 user, $2 click id, $3 its time (milliseconds since 1970), $4 most to look at, $5 most to name
WITH click AS (
	SELECT timestamptz 'epoch' + $3::bigint / 86400000 * interval '1 day'
		+ $3::bigint % 86400000 * interval '1 millisecond' AS at,
		(SELECT max(extract(epoch FROM w.lookback)) * interval '1 second' FROM attribution_windows w) AS longest
), near AS (
	(
		SELECT v.conversion_id, v.conversion_date, v.touch_ids, v.touch_dates
		FROM click k
		CROSS JOIN LATERAL (
			SELECT c.*
			FROM counted_conversions c
			WHERE c.user_id = $1::uuid AND c.conversion_date >= k.at AND c.conversion_date <= k.at + k.longest
			ORDER BY c.conversion_date
			LIMIT $4::int
		) v
	)
	UNION ALL
	(
		SELECT c.conversion_id, c.conversion_date, c.touch_ids, c.touch_dates
		FROM click k
		JOIN counted_conversions c ON c.named_click_id = $2::uuid AND c.user_id = $1::uuid
			AND c.conversion_date > k.at + k.longest
		LIMIT $4::int
	)
)
SELECT n.looked, count(v.conversion_id) OVER (), v.conversion_id, (extract(epoch FROM v.conversion_date) * 1000)::bigint
FROM (SELECT count(*) AS looked FROM near) n
LEFT JOIN (
	SELECT r.conversion_id, r.conversion_date
	FROM near r
	CROSS JOIN click k
	WHERE EXISTS (
		SELECT FROM unnest(r.touch_ids, r.touch_dates) AS t (id, date)
		WHERE t.id = $2::uuid AND t.date = k.at)
) v ON true
ORDER BY v.conversion_date, v.conversion_id
LIMIT $5::int
