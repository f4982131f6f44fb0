-- Adjustments of a batch.
COPY staged_adjustments (n, adjustment_id, adjustment_date, user_id, conversion_id, change, amount_minor, log_offset,
	accepted_at) FROM STDIN (FORMAT binary)
