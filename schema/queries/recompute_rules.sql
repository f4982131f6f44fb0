-- The settings as a recompute will leave them, as rules.sql.
WITH windows AS (
	SELECT * FROM recompute_windows
	UNION ALL
	SELECT w.*
	FROM attribution_windows w
	WHERE NOT EXISTS (
		SELECT FROM recompute_windows r
		WHERE r.campaign_id = w.campaign_id AND r.type = w.type AND r.valid_from = w.valid_from)
), models AS (
	SELECT * FROM recompute_models
	UNION ALL
	SELECT m.*
	FROM attribution_models m
	WHERE NOT EXISTS (SELECT FROM recompute_models r WHERE r.valid_from = m.valid_from)
)
SELECT 0 AS kind, campaign_id, type,
	CASE WHEN isfinite(valid_from) THEN (extract(epoch FROM valid_from) * 1000)::bigint END,
	(extract(epoch FROM lookback) * 1000)::bigint, NULL::int, NULL::int, NULL::int, NULL::boolean, NULL::text
FROM windows
UNION ALL
SELECT 1, NULL, NULL, CASE WHEN isfinite(m.valid_from) THEN (extract(epoch FROM m.valid_from) * 1000)::bigint END,
	(extract(epoch FROM m.half_life) * 1000)::bigint, m.first_ppm, m.last_ppm, m.path_max, m.is_narrowed, d.source
FROM models m
LEFT JOIN LATERAL unnest(m.direct_sources) AS d (source) ON true
ORDER BY kind, 4 NULLS FIRST
