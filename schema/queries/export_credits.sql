-- A page of conversions with their touches, a row for each touch with the credits of all models, as
-- export_clicks.sql. It ends sooner once it has so many touches. A conversion fits that has a touch of the campaigns and
-- is not cancelled.
-- $1, $2 dates from and before, $3, $4 id and date behind which, $5 conversions to look at, $6 campaigns (NULL: all),
-- $7 touches
SELECT e.conversion_id, (extract(epoch FROM e.conversion_date) * 1000000)::bigint, e.fits, e.is_more, e.value_minor,
	e.n, t.place, t.place <= e.path_extras, t.click_id, (extract(epoch FROM t.click_date) * 1000000)::bigint,
	t.campaign_id, t.source, e.credits[t.place], e.credits[e.n + t.place], e.credits[2 * e.n + t.place],
	e.credits[3 * e.n + t.place], e.credits[4 * e.n + t.place], e.credits[5 * e.n + t.place]
FROM (
	SELECT *, at < looked OR looked >= $5::bigint AS is_more, lead(conversion_id) OVER w IS NULL AS is_last
	FROM (
		SELECT *, cardinality(touch_ids) AS n, NOT is_cancelled AND ($6::uuid[] IS NULL OR touch_campaigns && $6) AS fits,
			row_number() OVER w AS at, count(*) OVER () AS looked,
			sum(cardinality(touch_ids)) OVER (w ROWS UNBOUNDED PRECEDING) - cardinality(touch_ids) AS touches_before
		FROM (
			SELECT conversion_id, conversion_date,
				coalesce(adjusted_minor, value_minor) AS value_minor, is_cancelled, path_extras, touch_ids, touch_dates, touch_campaigns,
				touch_sources, credits
			FROM counted_conversions
			WHERE conversion_date >= $1::timestamptz AND conversion_date < $2::timestamptz
				AND (conversion_id, conversion_date) > ($3::uuid, $4::timestamptz)
			ORDER BY conversion_id, conversion_date
			LIMIT $5::bigint
		) l
		WINDOW w AS (ORDER BY conversion_id, conversion_date)
	) counted
	WHERE touches_before < $7::bigint
	WINDOW w AS (ORDER BY conversion_id, conversion_date)
) e
LEFT JOIN LATERAL unnest(e.touch_ids, e.touch_dates, e.touch_campaigns, e.touch_sources) WITH ORDINALITY
	AS t (click_id, click_date, campaign_id, source, place) ON e.fits
WHERE e.fits OR e.is_last
ORDER BY e.conversion_id, e.conversion_date, t.place
