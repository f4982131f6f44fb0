-- What a connection that makes paths anew needs: where these are staged, and the types of what they change.
-- Conversions whose paths are made: staged ones (n is their place), and stored ones (home and place say where).
CREATE TEMP TABLE staged_targets (
	t               integer NOT NULL,
	n               integer,
	home            oid,
	place           tid,
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	campaign_id     uuid NOT NULL,
	source          text COLLATE "C" NOT NULL,
	type            text COLLATE "C" NOT NULL,
	value_minor     bigint NOT NULL,
	named_click_id  uuid,
	log_offset      bigint, -- of staged ones, as is accepted_at
	accepted_at     timestamptz,
	adjusted_minor  bigint, -- by its adjustments
	is_cancelled    boolean NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_paths (
	t               integer PRIMARY KEY,
	click_id        uuid,
	click_date      timestamptz,
	path_extras     integer NOT NULL,
	path_beyond     integer NOT NULL,
	touch_ids       uuid[] NOT NULL,
	touch_dates     timestamptz[] NOT NULL,
	touch_campaigns uuid[] NOT NULL,
	touch_sources   text[] COLLATE "C" NOT NULL,
	credits         integer[] NOT NULL
) ON COMMIT DELETE ROWS;
-- What changes in a conversion bucket.
CREATE TYPE pg_temp.staged_delta AS (
	campaign_id              uuid,
	source                   text COLLATE "C",
	type                     text COLLATE "C",
	model                    text COLLATE "C",
	bucket                   timestamptz,
	credit                   bigint,
	value_minor              numeric,
	unattributed             bigint,
	unattributed_value_minor numeric
);
-- What changes in a campaign's day by last click.
CREATE TYPE pg_temp.staged_share AS (
	campaign_id              uuid,
	day                      date,
	clicks                   bigint,
	conversions              bigint,
	value_minor              numeric,
	unattributed             bigint,
	unattributed_value_minor numeric
);
