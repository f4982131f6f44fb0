-- Conversions of a batch.
COPY staged_conversions (n, conversion_id, conversion_date, user_id, campaign_id, source, type, value_minor,
	named_click_id, log_offset, accepted_at) FROM STDIN (FORMAT binary)
