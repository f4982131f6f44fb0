-- What the paths change in the conversion buckets.
COPY staged_deltas (campaign_id, source, type, model, bucket, clicks, credit, value_minor, unattributed,
	unattributed_value_minor) FROM STDIN (FORMAT binary)
