-- The next campaign days with anything in them, in the order of days and campaigns; answers the one behind them.
-- $1 first day (days since 1970), $2 first campaign of that day, $3 last day, $4 most
WITH next AS MATERIALIZED (
	SELECT DISTINCT day, campaign_id
	FROM day_shares
	WHERE (day, campaign_id) >= (date '1970-01-01' + $1::int, $2::uuid) AND day <= date '1970-01-01' + $3::int
	ORDER BY day, campaign_id
	LIMIT $4::int + 1
), staged AS (
	INSERT INTO staged_days (campaign_id, day)
	SELECT campaign_id, day FROM next ORDER BY day, campaign_id LIMIT $4::int
)
SELECT day - date '1970-01-01', campaign_id FROM next ORDER BY day, campaign_id OFFSET $4::int
