-- The prepared windows hold.
INSERT INTO attribution_windows (campaign_id, type, valid_from, lookback)
SELECT campaign_id, type, valid_from, lookback FROM recompute_windows
ON CONFLICT (campaign_id, type, valid_from) DO UPDATE SET lookback = excluded.lookback
