-- Is history being recomputed, and from which time on (milliseconds since 1970)?
SELECT state, CASE WHEN isfinite(valid_from) THEN (extract(epoch FROM valid_from) * 1000)::bigint END, total, description
FROM recompute
