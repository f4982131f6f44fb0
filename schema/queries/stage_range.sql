-- Every campaign day with anything in it between two days.
-- $1 first day, $2 last day (days since 1970)
INSERT INTO staged_days (campaign_id, day)
SELECT DISTINCT campaign_id, day
FROM day_shares
WHERE day BETWEEN date '1970-01-01' + $1::int AND date '1970-01-01' + $2::int
