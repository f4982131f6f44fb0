-- Adjustments of a batch.
COPY staged_adjustments (n, adjustment_id, adjustment_date, user_id, conversion_id, change, amount_minor)
	FROM STDIN (FORMAT binary)
