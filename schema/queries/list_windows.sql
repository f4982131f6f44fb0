-- Windows by campaign, type (shorter ones first, as in domain/rules.c) and date, with the columns of rules.sql.
-- $1 campaign (NULL: any), $2 type (NULL: any), to begin behind: $3 campaign (NULL: from the first on), $4 type,
-- $5 milliseconds since 1970; $6 the most rows
SELECT 0, w.campaign_id, w.type, CASE WHEN isfinite(w.valid_from) THEN w.from_ms END,
	(extract(epoch FROM w.lookback) * 1000)::bigint, NULL::int, NULL::int, NULL::int, NULL::boolean, NULL::text
FROM (
	SELECT *, CASE WHEN isfinite(valid_from) THEN (extract(epoch FROM valid_from) * 1000)::bigint
		ELSE -9223372036854775808 END AS from_ms
	FROM attribution_windows
	WHERE campaign_id = coalesce($1::uuid, campaign_id)
) w
WHERE w.type = coalesce($2::text, w.type)
	AND ($3::uuid IS NULL OR (w.campaign_id, octet_length(w.type), w.type, w.from_ms)
		> ($3::uuid, octet_length($4::text), $4::text COLLATE "C", $5::bigint))
ORDER BY w.campaign_id, octet_length(w.type), w.type, w.from_ms
LIMIT $6::int
