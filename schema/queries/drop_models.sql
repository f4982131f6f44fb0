-- Take dated settings of the models away.
-- $1 milliseconds since 1970
DELETE FROM attribution_models
WHERE isfinite(valid_from) AND (extract(epoch FROM valid_from) * 1000)::bigint = $1::bigint
