-- The first wrong attributions, as sentences.
-- $1 how many
SELECT format('campaign %s, %s, shard %s, conversion %s', campaign_id,
		to_char(conversion_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), shard, conversion_id),
	CASE
	WHEN click_id IS DISTINCT FROM right_click_id OR click_date IS DISTINCT FROM right_click_date
	THEN format('click %s stored, %s by the rule', coalesce(click_id::text, 'none'),
		coalesce(right_click_id::text, 'none'))
	ELSE format('a path of %s touches stored, of %s by the rule, or other credits or adjustments', touches, right_touches)
	END
FROM wrong_attributions
ORDER BY conversion_date, conversion_id
LIMIT $1::int
