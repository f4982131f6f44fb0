-- The click that a conversion names: the latest of its user that is not after it, if there is one, as target_named.sql;
-- else one that says why there is none. Behind it: is it of the user?
-- $1 click id, $2 user, $3 the conversion's time (milliseconds since 1970)
SELECT k.click_id, (extract(epoch FROM k.click_date) * 1000)::bigint, k.campaign_id, k.source, k.user_id = $2::uuid
FROM click_events k
WHERE k.click_id = $1::uuid
ORDER BY k.user_id = $2::uuid DESC,
	k.click_date <= timestamptz 'epoch' + $3::bigint / 86400000 * interval '1 day'
		+ $3::bigint % 86400000 * interval '1 millisecond' DESC,
	k.click_date DESC
LIMIT 1
