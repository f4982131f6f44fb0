-- What the rest of bench_history.py's statements need: campaigns, months, and none of the indexes that are made after.
-- Parameters: campaigns.
SET synchronous_commit = off;
SELECT ensure_event_month('conversion_events', (date_trunc('month', now()) - make_interval(months => m))::date)
FROM generate_series(-1, 13) AS m;
INSERT INTO campaigns (campaign_id)
SELECT ('10adbe57-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid FROM generate_series(0, :campaigns - 1) AS i;
ALTER TABLE click_buckets DROP CONSTRAINT click_buckets_pkey;
ALTER TABLE conversion_buckets DROP CONSTRAINT conversion_buckets_pkey;
