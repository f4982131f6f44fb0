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
	source      text COLLATE "C" NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_conversions (
	n               integer NOT NULL,
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	campaign_id     uuid NOT NULL,
	source          text COLLATE "C" NOT NULL,
	type            text COLLATE "C" NOT NULL,
	value_minor     bigint NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_deltas (
	campaign_id              uuid NOT NULL,
	source                   text COLLATE "C" NOT NULL,
	type                     text COLLATE "C" NOT NULL,
	bucket                   timestamptz NOT NULL,
	clicks                   bigint NOT NULL,
	credit                   bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL
) ON COMMIT DELETE ROWS;
