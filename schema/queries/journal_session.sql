-- What a journal connection needs: the campaign days that the present transaction writes.
SET jit = off;
CREATE TEMP TABLE staged_days (
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	PRIMARY KEY (campaign_id, day)
) ON COMMIT DELETE ROWS;
