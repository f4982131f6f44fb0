-- Clicks of a batch.
COPY staged_clicks (n, click_id, click_date, user_id, campaign_id, source, log_offset, accepted_at) FROM STDIN (FORMAT binary)
