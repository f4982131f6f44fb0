-- What a writer's connection needs before its first batch. The planner never sees statistics of the staging
-- tables; index lookups from staged rows into event tables are the only good plans, so the others are off.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET idle_in_transaction_session_timeout = '30s';
CREATE TEMP TABLE staged_clicks (
	n           integer NOT NULL, -- place in the batch
	click_id    uuid NOT NULL,
	click_date  timestamptz NOT NULL,
	user_id     uuid NOT NULL,
	campaign_id uuid NOT NULL,
	source      text COLLATE "C" NOT NULL,
	log_offset  bigint NOT NULL,
	accepted_at timestamptz
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_conversions (
	n               integer NOT NULL,
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	campaign_id     uuid NOT NULL,
	source          text COLLATE "C" NOT NULL,
	type            text COLLATE "C" NOT NULL,
	value_minor     bigint NOT NULL,
	named_click_id  uuid,
	log_offset      bigint NOT NULL,
	accepted_at     timestamptz
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_adjustments (
	n               integer NOT NULL,
	adjustment_id   uuid NOT NULL,
	adjustment_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	conversion_id   uuid NOT NULL,
	change          text COLLATE "C" NOT NULL,
	amount_minor    bigint NOT NULL,
	log_offset      bigint NOT NULL,
	accepted_at     timestamptz
) ON COMMIT DELETE ROWS;
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
CREATE TEMP TABLE staged_deltas (
	campaign_id              uuid NOT NULL,
	source                   text COLLATE "C" NOT NULL,
	type                     text COLLATE "C" NOT NULL,
	model                    text COLLATE "C" NOT NULL, -- empty: clicks
	bucket                   timestamptz NOT NULL,
	clicks                   bigint NOT NULL,
	credit                   bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL
) ON COMMIT DELETE ROWS;
