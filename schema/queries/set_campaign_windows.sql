-- Date windows of one campaign, where they differ from what it has at that date.
-- $1 campaign, $2 its windows as JSON, [["type", minutes], ...], NULL for none, $3 milliseconds since 1970
WITH wanted AS (
	SELECT e.value ->> 0 AS type, make_interval(mins => (e.value ->> 1)::int) AS lookback,
		to_timestamp($3::bigint / 1000.0) AS valid_from
	FROM json_array_elements($2::json) e
)
INSERT INTO attribution_windows (campaign_id, type, valid_from, lookback)
SELECT $1::uuid, w.type, w.valid_from, w.lookback
FROM wanted w
LEFT JOIN LATERAL (
	SELECT h.lookback
	FROM attribution_windows h
	WHERE h.campaign_id = $1::uuid AND h.type = w.type AND h.valid_from <= w.valid_from
	ORDER BY h.valid_from DESC
	LIMIT 1
) held ON true
WHERE held.lookback IS DISTINCT FROM w.lookback
ON CONFLICT (campaign_id, type, valid_from) DO UPDATE SET lookback = excluded.lookback
