-- The local hours that begin in a range, with the offset of local time, in seconds. An hour that comes twice is two,
-- and so are the halves of one in which the offset changes. The range's first one may have begun before.
-- $1 zone, $2 from, $3 to (seconds since 1970)
SELECT extract(epoch FROM t)::bigint, extract(epoch FROM local - t AT TIME ZONE 'UTC')::int
FROM (
	SELECT t, local, lag(t) OVER (ORDER BY t) AS t_before, lag(local) OVER (ORDER BY t) AS local_before
	FROM (
		SELECT t, t AT TIME ZONE $1::text AS local
		FROM generate_series(to_timestamp($2::bigint), to_timestamp($3::bigint - 1), interval '15 minutes') AS t
	) q
) q
WHERE t_before IS NULL OR date_trunc('hour', local) <> date_trunc('hour', local_before)
	OR local - local_before <> t - t_before
ORDER BY t
