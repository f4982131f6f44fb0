-- Record what models use, as the environment says. The first row holds for all time; a changed one from $1 on, as in
-- record_window.sql. Answers whether a row was added.
-- $1 milliseconds since 1970, $2 first and $3 last touch in per cent, $4 half-life in hours, $5 touches of a path,
-- $6 is every path narrowed, $7 direct sources, separated by commas
WITH wanted AS (
	SELECT $2::int * 10000 AS first_ppm, $3::int * 10000 AS last_ppm, make_interval(hours => $4::int) AS half_life,
		$5::int AS path_max, $6::boolean AS is_narrowed, string_to_array($7, ',') AS direct_sources
)
INSERT INTO attribution_models
SELECT CASE WHEN latest.first_ppm IS NULL THEN '-infinity' ELSE to_timestamp($1::bigint / 1000.0) END, w.*
FROM wanted w
LEFT JOIN (SELECT * FROM attribution_models ORDER BY valid_from DESC LIMIT 1) latest ON true
WHERE (latest.first_ppm, latest.last_ppm, latest.half_life, latest.path_max, latest.is_narrowed, latest.direct_sources)
	IS DISTINCT FROM (w.first_ppm, w.last_ppm, w.half_life, w.path_max, w.is_narrowed, w.direct_sources)
ON CONFLICT DO NOTHING
RETURNING valid_from
