-- What a journal connection needs: the campaign days that the present transaction writes; and of the round of following
-- listed changes that is open, up to which versions it goes, its days, and the last of them that is written.
SET jit = off;
CREATE TEMP TABLE staged_days (
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	PRIMARY KEY (campaign_id, day)
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE round_versions (
	shard   integer NOT NULL,
	version bigint NOT NULL
);
CREATE TEMP TABLE round_days (
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	PRIMARY KEY (campaign_id, day)
);
CREATE TEMP TABLE round_place (
	campaign_id uuid NOT NULL,
	day         date NOT NULL
);
