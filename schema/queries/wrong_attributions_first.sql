-- The first wrong attributions, as sentences.
-- $1 how many
SELECT format('campaign %s, %s, shard %s, conversion %s', campaign_id,
		to_char(conversion_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), shard, conversion_id),
	format('click %s stored, %s by the rule', coalesce(click_id::text, 'none'), coalesce(right_click_id::text, 'none'))
FROM wrong_attributions
ORDER BY conversion_date, conversion_id
LIMIT $1::int
