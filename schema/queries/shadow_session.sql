-- What the connection that compares needs: campaign days whose live journals were waiting to be written, how far
-- days were closed, what was ever read again, and the marks of both sides: of each group of a table's rows their
-- number and a sum of hashes.
SET jit = off;
CREATE TEMP TABLE dirty_days (
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	PRIMARY KEY (campaign_id, day)
);
CREATE TEMP TABLE closed_days (
	through date NOT NULL
);
CREATE TEMP TABLE read_again (
	partition integer NOT NULL,
	topic     text COLLATE "C" NOT NULL
);
CREATE TEMP TABLE marks (
	is_shadow boolean NOT NULL,
	tbl       text COLLATE "C" NOT NULL,
	grp       text COLLATE "C" NOT NULL,
	n         bigint NOT NULL,
	hash      numeric NOT NULL
);
