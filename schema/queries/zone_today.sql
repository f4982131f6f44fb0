-- The local day of an instant (days since 1970).
-- $1 zone, $2 milliseconds since 1970
SELECT (to_timestamp($2::bigint / 1000.0) AT TIME ZONE $1::text)::date - date '1970-01-01'
