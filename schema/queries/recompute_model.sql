-- Prepare other settings of the models, from a time on; what is NULL stays as it is at that time.
-- $1 from, $2 $3 parts per million of the first and last touch, $4 half-life in seconds, $5 touches of a path, $6 narrowed,
-- $7 direct sources, separated by commas
INSERT INTO recompute_models (valid_from, first_ppm, last_ppm, half_life, path_max, is_narrowed, direct_sources)
SELECT $1::timestamptz, coalesce($2::int, first_ppm), coalesce($3::int, last_ppm),
	coalesce(make_interval(secs => $4::bigint), half_life), coalesce($5::int, path_max),
	coalesce($6::boolean, is_narrowed), coalesce(string_to_array($7, ','), direct_sources)
FROM attribution_models
WHERE valid_from <= $1::timestamptz
ORDER BY valid_from DESC
LIMIT 1
