-- The first lookback window, for all time, is the environment's. Answers whether it was recorded now, and whether the
-- environment says what it said then, or what was set last.
-- $1 lookback in hours
WITH added AS (
	INSERT INTO attribution_windows (valid_from, lookback)
	VALUES ('-infinity', make_interval(hours => $1::int))
	ON CONFLICT DO NOTHING
	RETURNING 1
), held AS (
	SELECT valid_from, lookback
	FROM attribution_windows
	WHERE campaign_id = '00000000-0000-0000-0000-000000000000' AND type = ''
), ends AS (
	(SELECT lookback FROM held ORDER BY valid_from LIMIT 1)
	UNION ALL
	(SELECT lookback FROM held ORDER BY valid_from DESC LIMIT 1)
)
SELECT EXISTS (SELECT FROM added),
	EXISTS (SELECT FROM added) OR EXISTS (SELECT FROM ends WHERE lookback = make_interval(hours => $1::int))
