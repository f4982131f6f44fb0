-- A page of clicks in the order of the primary key, looked for in one month. What does not fit is left out, but for
-- the last row looked at, behind which the next page begins.
-- $1, $2 dates from and before, $3, $4 id and date behind which, $5 rows to look at, $6 campaigns (NULL: all)
SELECT click_id, (extract(epoch FROM click_date) * 1000000)::bigint, fits, is_more, user_id, campaign_id, source
FROM (
	SELECT *, $6::uuid[] IS NULL OR campaign_id = ANY ($6) AS fits, row_number() OVER w >= $5::bigint AS is_more,
		lead(click_id) OVER w IS NULL AS is_last
	FROM (
		SELECT *
		FROM click_events
		WHERE click_date >= $1::timestamptz AND click_date < $2::timestamptz
			AND (click_id, click_date) > ($3::uuid, $4::timestamptz)
		ORDER BY click_id, click_date
		LIMIT $5::bigint
	) looked
	WINDOW w AS (ORDER BY click_id, click_date)
) e
WHERE fits OR is_last
