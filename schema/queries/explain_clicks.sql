-- The clicks of a user before a place in their order, the latest first.
-- $1 user, $2 the place's time (milliseconds since 1970), $3 its click id, $4 how many
SELECT k.click_id, (extract(epoch FROM k.click_date) * 1000)::bigint, k.campaign_id, k.source
FROM click_events k
WHERE k.user_id = $1::uuid
	AND k.click_date <= timestamptz 'epoch' + $2::bigint / 86400000 * interval '1 day'
		+ $2::bigint % 86400000 * interval '1 millisecond'
	AND (k.click_date, k.click_id) < (timestamptz 'epoch' + $2::bigint / 86400000 * interval '1 day'
		+ $2::bigint % 86400000 * interval '1 millisecond', $3::uuid)
ORDER BY k.click_date DESC, k.click_id DESC
LIMIT $4::int
