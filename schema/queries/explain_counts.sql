-- How many clicks a user has that are not after a conversion, and after it.
-- $1 user, $2 the conversion's time (milliseconds since 1970)
SELECT count(*) FILTER (WHERE k.click_date <= c.at), count(*) FILTER (WHERE k.click_date > c.at)
FROM click_events k
CROSS JOIN (
	SELECT timestamptz 'epoch' + $2::bigint / 86400000 * interval '1 day'
		+ $2::bigint % 86400000 * interval '1 millisecond' AS at
) c
WHERE k.user_id = $1::uuid
