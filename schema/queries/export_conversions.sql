-- A page of conversions, as export_clicks.sql. The campaign that a conversion belongs to is the one that statistics
-- count it under by last click: the click's, or the one that it gave.
-- $1, $2 dates from and before, $3, $4 id and date behind which, $5 rows to look at, $6 campaigns (NULL: all)
SELECT conversion_id, (extract(epoch FROM conversion_date) * 1000000)::bigint, fits, is_more, user_id,
	nullif(campaign_id, '00000000-0000-0000-0000-000000000000'), nullif(source, ''), type, value_minor,
	named_click_id, click_id, (extract(epoch FROM click_date) * 1000000)::bigint,
	touch_campaigns[last_place], touch_sources[last_place], adjusted_minor, is_cancelled
FROM (
	SELECT *, $6::uuid[] IS NULL OR coalesce(touch_campaigns[last_place], campaign_id) = ANY ($6) AS fits,
		row_number() OVER w >= $5::bigint AS is_more, lead(conversion_id) OVER w IS NULL AS is_last
	FROM (
		SELECT *, array_position(credits[1:cardinality(touch_ids)], 1000000) AS last_place
		FROM counted_conversions
		WHERE conversion_date >= $1::timestamptz AND conversion_date < $2::timestamptz
			AND (conversion_id, conversion_date) > ($3::uuid, $4::timestamptz)
		ORDER BY conversion_id, conversion_date
		LIMIT $5::bigint
	) looked
	WINDOW w AS (ORDER BY conversion_id, conversion_date)
) e
WHERE fits OR is_last
