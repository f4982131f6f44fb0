-- The months that have something in them, up to a day (days since 1970): first and last day of each.
-- $1 day
SELECT month - date '1970-01-01', least((month + interval '1 month')::date - 1 - date '1970-01-01', $1::int)
FROM (
	SELECT DISTINCT date_trunc('month', day::timestamp)::date AS month
	FROM day_shares
	WHERE day <= date '1970-01-01' + $1::int
) m
ORDER BY 1
