-- The first clicks of a user after a conversion.
-- $1 user, $2 the conversion's time (milliseconds since 1970), $3 how many
SELECT k.click_id, (extract(epoch FROM k.click_date) * 1000)::bigint, k.campaign_id, k.source
FROM click_events k
WHERE k.user_id = $1::uuid
	AND k.click_date > timestamptz 'epoch' + $2::bigint / 86400000 * interval '1 day'
		+ $2::bigint % 86400000 * interval '1 millisecond'
ORDER BY k.click_date, k.click_id
LIMIT $3::int
