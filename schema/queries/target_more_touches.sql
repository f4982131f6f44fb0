-- The next clicks of one target's user, as target_touches.sql, before a click that was seen.
-- $1 the longest window, milliseconds, $2 how many, $3 t, $4 the seen click's id, $5 its time in milliseconds
SELECT s.t, k.click_id, (extract(epoch FROM k.click_date) * 1000)::bigint, k.campaign_id, k.source
FROM staged_targets s
CROSS JOIN LATERAL (
	SELECT timestamptz 'epoch' + $5::bigint / 86400000 * interval '1 day'
		+ $5::bigint % 86400000 * interval '1 millisecond' AS click_date
) seen
JOIN click_events k ON k.user_id = s.user_id
	AND k.click_date >= s.conversion_date - $1::bigint * interval '1 millisecond'
	AND k.click_date <= seen.click_date AND (k.click_date, k.click_id) < (seen.click_date, $4::uuid)
WHERE s.t = $3::int
ORDER BY k.click_date DESC, k.click_id DESC
LIMIT $2::int
