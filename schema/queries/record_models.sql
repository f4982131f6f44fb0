-- What models use at first, for all time, is the environment's. Answers whether it was recorded now, and whether the
-- environment says what it said then, or what was set last.
-- $1 first and $2 last touch in per cent, $3 half-life in hours, $4 touches of a path, $5 is every path narrowed,
-- $6 direct sources, separated by commas
WITH wanted AS (
	SELECT $1::int * 10000 AS first_ppm, $2::int * 10000 AS last_ppm, make_interval(hours => $3::int) AS half_life,
		$4::int AS path_max, $5::boolean AS is_narrowed, string_to_array($6, ',') AS direct_sources
), added AS (
	INSERT INTO attribution_models (valid_from, first_ppm, last_ppm, half_life, path_max, is_narrowed, direct_sources)
	SELECT '-infinity', w.* FROM wanted w
	ON CONFLICT DO NOTHING
	RETURNING 1
), ends AS (
	(SELECT * FROM attribution_models ORDER BY valid_from LIMIT 1)
	UNION ALL
	(SELECT * FROM attribution_models ORDER BY valid_from DESC LIMIT 1)
)
SELECT EXISTS (SELECT FROM added), EXISTS (SELECT FROM added) OR EXISTS (
	SELECT FROM ends e, wanted w
	WHERE (e.first_ppm, e.last_ppm, e.half_life, e.path_max, e.is_narrowed, e.direct_sources)
		= (w.first_ppm, w.last_ppm, w.half_life, w.path_max, w.is_narrowed, w.direct_sources))
