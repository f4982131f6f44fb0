-- The prepared settings of the models hold.
INSERT INTO attribution_models
SELECT * FROM recompute_models
ON CONFLICT (valid_from) DO UPDATE
SET first_ppm = excluded.first_ppm, last_ppm = excluded.last_ppm, half_life = excluded.half_life,
	path_max = excluded.path_max, is_narrowed = excluded.is_narrowed, direct_sources = excluded.direct_sources
