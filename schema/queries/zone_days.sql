-- The first instants of local days, in seconds since 1970. Where clocks go back over midnight it strikes twice, and
-- PostgreSQL takes the second one: the first is what midnight is by the offset of some hours before. Where clocks go
-- forward over it, both are the moment they do. (OFFSET 0 keeps conversions from being repeated for each use.)
-- $1 zone, $2 days since 1970
SELECT extract(epoch FROM
	CASE WHEN early < late AND early AT TIME ZONE $1::text = midnight THEN early ELSE late END)::bigint
FROM (
	SELECT i, midnight, late,
		midnight AT TIME ZONE 'UTC' - ((hours_before AT TIME ZONE $1::text) - (hours_before AT TIME ZONE 'UTC')) AS early
	FROM (
		SELECT i, midnight, late, late - interval '6 hours' AS hours_before
		FROM (
			SELECT i, midnight, midnight AT TIME ZONE $1::text AS late
			FROM (
				SELECT i, (date '1970-01-01' + day)::timestamp AS midnight
				FROM unnest($2::int[]) WITH ORDINALITY AS d (day, i)
			) d
			OFFSET 0
		) d
		OFFSET 0
	) d
	OFFSET 0
) d
ORDER BY i
