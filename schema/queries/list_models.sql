-- What models use, by date, with the columns of rules.sql.
-- $1 only of this date (milliseconds since 1970; NULL: all)
SELECT 1, NULL::uuid, NULL::text,
	CASE WHEN isfinite(m.valid_from) THEN (extract(epoch FROM m.valid_from) * 1000)::bigint END,
	(extract(epoch FROM m.half_life) * 1000)::bigint, m.first_ppm, m.last_ppm, m.path_max, m.is_narrowed, d.source
FROM attribution_models m
LEFT JOIN LATERAL unnest(m.direct_sources) WITH ORDINALITY AS d (source, n) ON true
WHERE $1::bigint IS NULL
	OR (isfinite(m.valid_from) AND (extract(epoch FROM m.valid_from) * 1000)::bigint = $1::bigint)
ORDER BY m.valid_from, d.n
