-- Clicks of a batch.
COPY staged_clicks (n, click_id, click_date, user_id, campaign_id, source) FROM STDIN (FORMAT binary)
