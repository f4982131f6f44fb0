-- Take a dated window away.
-- $1 campaign, $2 type, $3 milliseconds since 1970
DELETE FROM attribution_windows
WHERE campaign_id = $1::uuid AND type = $2::text AND isfinite(valid_from)
	AND (extract(epoch FROM valid_from) * 1000)::bigint = $3::bigint
