-- Record the lookback window of the environment. The first holds for all time; a changed one holds from $2 on,
-- a time that no accepted conversion can have reached yet, so that nothing booked needs to be booked anew.
-- Answers whether a row was added.
-- $1 lookback in hours, $2 milliseconds since 1970
INSERT INTO attribution_windows (valid_from, lookback)
SELECT CASE WHEN latest.lookback IS NULL THEN '-infinity' ELSE to_timestamp($2::bigint / 1000.0) END,
	make_interval(hours => $1::int)
FROM (SELECT) AS one
LEFT JOIN (
	SELECT lookback FROM attribution_windows
	WHERE campaign_id = '00000000-0000-0000-0000-000000000000' AND type = ''
	ORDER BY valid_from DESC
	LIMIT 1
) latest ON true
WHERE latest.lookback IS DISTINCT FROM make_interval(hours => $1::int)
ON CONFLICT DO NOTHING
RETURNING valid_from
