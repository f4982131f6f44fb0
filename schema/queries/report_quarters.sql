-- The packed quarters of closed days; read in binary form.
-- $1 campaigns, $2 first day, $3 last day (days since 1970), $4 models
SELECT campaign_id::text, day - date '1970-01-01', model, quarters
FROM campaign_quarters
WHERE campaign_id = ANY ($1::uuid[]) AND day BETWEEN date '1970-01-01' + $2::int AND date '1970-01-01' + $3::int
	AND (model = '' OR model = ANY ($4::text[]))
ORDER BY campaign_quarters.campaign_id, campaign_quarters.day
