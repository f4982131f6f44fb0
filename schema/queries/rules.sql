-- The settings of attribution, windows first: campaign, type, from (milliseconds since 1970; NULL: always),
-- length; then what models use, a row for each direct source.
SELECT 0 AS kind, campaign_id, type,
	CASE WHEN isfinite(valid_from) THEN (extract(epoch FROM valid_from) * 1000)::bigint END,
	(extract(epoch FROM lookback) * 1000)::bigint, NULL::int, NULL::int, NULL::int, NULL::boolean, NULL::text
FROM attribution_windows
UNION ALL
SELECT 1, NULL, NULL, CASE WHEN isfinite(m.valid_from) THEN (extract(epoch FROM m.valid_from) * 1000)::bigint END,
	(extract(epoch FROM m.half_life) * 1000)::bigint, m.first_ppm, m.last_ppm, m.path_max, m.is_narrowed, d.source
FROM attribution_models m
LEFT JOIN LATERAL unnest(m.direct_sources) AS d (source) ON true
ORDER BY kind, 4 NULLS FIRST
