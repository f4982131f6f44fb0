-- Date what models use; what is NULL is taken from what holds at that date. No row if there are settings of this date
-- already, or if first and last touch would get more than there is.
-- $1 milliseconds since 1970, $2 first and $3 last touch in parts per million, $4 half-life in milliseconds,
-- $5 touches of a path, $6 is every path narrowed, $7 direct sources as a JSON array
WITH wanted AS (
	SELECT to_timestamp($1::bigint / 1000.0) AS valid_from, coalesce($2::int, m.first_ppm) AS first_ppm,
		coalesce($3::int, m.last_ppm) AS last_ppm,
		coalesce($4::bigint * interval '1 millisecond', m.half_life) AS half_life,
		coalesce($5::int, m.path_max) AS path_max, coalesce($6::boolean, m.is_narrowed) AS is_narrowed,
		CASE WHEN $7::json IS NULL THEN m.direct_sources ELSE ARRAY(
			SELECT s.source FROM json_array_elements_text($7::json) WITH ORDINALITY AS s (source, n) ORDER BY s.n)
		END AS direct_sources
	FROM attribution_models m
	WHERE m.valid_from <= to_timestamp($1::bigint / 1000.0)
	ORDER BY m.valid_from DESC
	LIMIT 1
)
INSERT INTO attribution_models (valid_from, first_ppm, last_ppm, half_life, path_max, is_narrowed, direct_sources)
SELECT * FROM wanted WHERE first_ppm + last_ppm <= 1000000
ON CONFLICT DO NOTHING
RETURNING 1
