-- Every conversion beside the last click by the rule of store_conversions.sql, in one pass: all clicks and conversions
-- of a user, campaign and source in order of time, clicks before conversions of the same moment, and clicks of the
-- same moment by id. What stands before a conversion last is its only candidate; the window decides.
-- $1 first day, $2 last day
WITH lookbacks AS (
	SELECT valid_from, lead(valid_from, 1, 'infinity') OVER (ORDER BY valid_from) AS upto, lookback
	FROM attribution_windows
	WHERE campaign_id = '00000000-0000-0000-0000-000000000000' AND type = ''
), moments AS (
	SELECT user_id, campaign_id, source, click_date AS moment, 0 AS kind, click_id AS id, NULL::int AS shard,
		NULL::uuid AS click_id, NULL::timestamptz AS click_date
	FROM click_events
	WHERE click_date >= ($1::date::timestamp AT TIME ZONE 'UTC') - (SELECT max(lookback) FROM lookbacks)
		AND click_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
	UNION ALL
	SELECT user_id, campaign_id, source, conversion_date, 1, conversion_id, shard, click_id, click_date
	FROM conversion_events
	WHERE conversion_date >= $1::date::timestamp AT TIME ZONE 'UTC'
		AND conversion_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
), counted AS (
	SELECT *, sum(1 - kind) OVER (
			PARTITION BY user_id, campaign_id, source ORDER BY moment, kind, id ROWS UNBOUNDED PRECEDING
		) AS clicks
	FROM moments
), led AS (
	SELECT *, first_value(id) OVER same_click AS last_id, first_value(moment) OVER same_click AS last_moment
	FROM counted
	WINDOW same_click AS (PARTITION BY user_id, campaign_id, source, clicks ORDER BY moment, kind, id)
), judged AS (
	SELECT v.*, v.clicks > 0 AND v.last_moment >= v.moment - l.lookback AS earned
	FROM led v
	LEFT JOIN lookbacks l ON v.moment >= l.valid_from AND v.moment < l.upto
	WHERE v.kind = 1
), wrong AS (
	INSERT INTO wrong_attributions (shard, conversion_id, conversion_date, campaign_id, click_id, click_date,
		right_click_id, right_click_date)
	SELECT shard, id, moment, campaign_id, click_id, click_date, CASE WHEN earned THEN last_id END,
		CASE WHEN earned THEN last_moment END
	FROM judged
	WHERE click_id IS DISTINCT FROM CASE WHEN earned THEN last_id END
		OR click_date IS DISTINCT FROM CASE WHEN earned THEN last_moment END
	RETURNING 1
)
SELECT (SELECT coalesce(sum(conversions + unattributed), 0)::bigint FROM recounted_conversions),
	(SELECT count(*) FROM wrong), 0
