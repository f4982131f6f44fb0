-- The sums of days that were closed since the cache last looked. From the shares, not the journals: a change
-- listed while the day was being closed may be in no journal yet, and its listing has been seen already.
-- $1 closed before, $2 closed now (days since 1970)
SELECT campaign_id, day - date '1970-01-01', sum(clicks), sum(conversions), sum(unattributed),
	sum(value_minor), sum(unattributed_value_minor)
FROM day_shares
WHERE day > date '1970-01-01' + $1::int AND day <= date '1970-01-01' + $2::int
GROUP BY 1, 2
