-- The window of one campaign, type and date, with the columns of rules.sql.
-- $1 campaign, $2 type, $3 milliseconds since 1970
SELECT 0, campaign_id, type, (extract(epoch FROM valid_from) * 1000)::bigint,
	(extract(epoch FROM lookback) * 1000)::bigint, NULL::int, NULL::int, NULL::int, NULL::boolean, NULL::text
FROM attribution_windows
WHERE campaign_id = $1::uuid AND type = $2::text AND isfinite(valid_from)
	AND (extract(epoch FROM valid_from) * 1000)::bigint = $3::bigint
