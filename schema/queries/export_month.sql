-- The first month behind another one for which a table has a partition; NULL: none. (Days since 1970; what lies
-- behind all months counts as the one that it begins with.)
-- $1 table, $2 day
SELECT min(month) - date '1970-01-01'
FROM (
	SELECT CASE
			WHEN c.relname ~ '_future$' THEN date '2100-01-01'
			ELSE to_date(substring(c.relname FROM '_([0-9]{4}_[0-9]{2})$'), 'YYYY_MM')
		END AS month
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = $1::regclass
) m
WHERE month - date '1970-01-01' > $2::int
