-- Date a window; no row if there is one of this date already.
-- $1 campaign, $2 type, $3 milliseconds since 1970, $4 its length in milliseconds (NULL: the less specific one holds)
INSERT INTO attribution_windows (campaign_id, type, valid_from, lookback)
VALUES ($1::uuid, $2::text, to_timestamp($3::bigint / 1000.0), $4::bigint * interval '1 millisecond')
ON CONFLICT DO NOTHING
RETURNING 1
