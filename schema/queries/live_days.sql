-- The campaign days that Redis should hold, those of which nothing is left among them.
-- $1 first day, $2 last day (days since 1970)
SELECT DISTINCT campaign_id, day - date '1970-01-01'
FROM day_shares
WHERE day BETWEEN date '1970-01-01' + $1::int AND date '1970-01-01' + $2::int
