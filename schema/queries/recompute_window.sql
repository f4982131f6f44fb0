-- Prepare another lookback window, from a time on.
-- $1 campaign (nil: every one), $2 type (empty: every one), $3 from, $4 length in seconds
INSERT INTO recompute_windows (campaign_id, type, valid_from, lookback)
VALUES ($1::uuid, $2, $3::timestamptz, make_interval(secs => $4::bigint))
