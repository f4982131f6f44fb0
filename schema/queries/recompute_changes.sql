-- What changes, by day, campaign and model: conversions in parts per million, value, unattributed ones, their value.
SELECT (bucket AT TIME ZONE 'UTC')::date AS day, campaign_id, model, sum(credit), sum(value_minor), sum(unattributed),
	sum(unattributed_value_minor)
FROM recompute_buckets
GROUP BY 1, 2, 3
HAVING sum(credit) <> 0 OR sum(value_minor) <> 0 OR sum(unattributed) <> 0 OR sum(unattributed_value_minor) <> 0
ORDER BY 1, 2, 3
