-- What a writer's connection needs before its first batch. The planner never sees statistics of staged rows; index
-- lookups from them into event tables are the only good plans, so the others are off. A batch's events come as arrays
-- of these types: a transaction that touches no temporary table has none to empty when it commits.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET idle_in_transaction_session_timeout = '30s';
CREATE TYPE pg_temp.staged_click AS (
	n           integer, -- place in the batch
	click_id    uuid,
	click_date  timestamptz,
	user_id     uuid,
	campaign_id uuid,
	source      text COLLATE "C",
	log_offset  bigint,
	accepted_at timestamptz
);
CREATE TYPE pg_temp.staged_conversion AS (
	n               integer,
	conversion_id   uuid,
	conversion_date timestamptz,
	user_id         uuid,
	campaign_id     uuid,
	source          text COLLATE "C",
	type            text COLLATE "C",
	value_minor     bigint,
	named_click_id  uuid,
	log_offset      bigint,
	accepted_at     timestamptz
);
CREATE TYPE pg_temp.staged_adjustment AS (
	n               integer,
	adjustment_id   uuid,
	adjustment_date timestamptz,
	user_id         uuid,
	conversion_id   uuid,
	change          text COLLATE "C",
	amount_minor    bigint,
	log_offset      bigint,
	accepted_at     timestamptz
);
-- What clicks add to a click bucket.
CREATE TYPE pg_temp.staged_click_delta AS (
	campaign_id uuid,
	source      text COLLATE "C",
	bucket      timestamptz,
	clicks      bigint
);
