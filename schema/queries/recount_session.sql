-- What reconciling needs beside paths_session.sql: tables of this connection only, for recounts of the events and for
-- what is stored otherwise.
SET jit = off;
SET work_mem = '64MB';
CREATE TEMP TABLE recounted_clicks (
	shard       integer NOT NULL,
	campaign_id uuid NOT NULL,
	source      text COLLATE "C" NOT NULL,
	bucket      timestamptz NOT NULL,
	clicks      bigint NOT NULL
);
CREATE TEMP TABLE recounted_conversions (
	shard                    integer NOT NULL,
	campaign_id              uuid NOT NULL,
	source                   text COLLATE "C" NOT NULL,
	type                     text COLLATE "C" NOT NULL,
	model                    text COLLATE "C" NOT NULL,
	bucket                   timestamptz NOT NULL,
	credit                   bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL
);
CREATE TEMP TABLE recounted_days (
	shard                    integer NOT NULL,
	campaign_id              uuid NOT NULL,
	day                      date NOT NULL,
	clicks                   numeric NOT NULL,
	conversions              numeric NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             numeric NOT NULL,
	unattributed_value_minor numeric NOT NULL
);
-- Cells that are not what the recount says: numbers are clicks, conversions, value, unattributed, their value.
-- shard is NULL where the table knows none; then repairing names one. piece: what is repaired in one transaction.
CREATE TEMP TABLE differences (
	"table"     text NOT NULL,
	shard       integer,
	campaign_id uuid NOT NULL,
	day         date NOT NULL, -- of a week or month: its first
	period_kind text,
	source      text COLLATE "C",
	type        text COLLATE "C",
	model       text COLLATE "C",
	bucket      timestamptz,
	stored      numeric[] NOT NULL,
	recounted   numeric[] NOT NULL,
	piece       integer
);
CREATE TEMP TABLE wrong_attributions (
	shard            integer NOT NULL,
	conversion_id    uuid NOT NULL,
	conversion_date  timestamptz NOT NULL,
	campaign_id      uuid NOT NULL,
	click_id         uuid,
	click_date       timestamptz,
	touches          integer NOT NULL,
	right_click_id   uuid,
	right_click_date timestamptz,
	right_touches    integer NOT NULL,
	piece            integer
);
CREATE TEMP TABLE recounted_keys (
	piece           integer NOT NULL,
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL
);
CREATE INDEX ON recounted_keys (piece);
CREATE INDEX ON differences (shard, piece);
CREATE INDEX ON wrong_attributions (shard, piece);
