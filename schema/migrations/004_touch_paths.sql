-- Touch paths and the credits of every model, and the dated settings that models use.

-- What holds for conversions dated from valid_from on. Parts per million; the rest goes to the touches between.
CREATE TABLE attribution_models (
	valid_from     timestamptz PRIMARY KEY,
	first_ppm      integer NOT NULL CHECK (first_ppm >= 0),
	last_ppm       integer NOT NULL CHECK (last_ppm >= 0),
	half_life      interval NOT NULL CHECK (half_life BETWEEN interval '1 minute' AND interval '365 days'),
	path_max       integer NOT NULL CHECK (path_max BETWEEN 1 AND 1000),
	is_narrowed    boolean NOT NULL, -- a conversion's campaign and source narrow every model's path
	direct_sources text[] COLLATE "C" NOT NULL,
	CHECK (first_ppm + last_ppm <= 1000000)
);

-- Raised with every change of the settings, so that writers know when to read them again. (Of the same schema: a
-- rebuild beside the live tables copies settings into its own.)
CREATE TABLE attribution_revision (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	revision bigint NOT NULL
);
INSERT INTO attribution_revision (revision) VALUES (1);
CREATE FUNCTION raise_attribution_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE %I.attribution_revision SET revision = revision + 1', TG_TABLE_SCHEMA);
	RETURN NULL;
END
$$;
CREATE TRIGGER raise_revision AFTER INSERT OR UPDATE OR DELETE ON attribution_windows
	FOR EACH STATEMENT EXECUTE FUNCTION raise_attribution_revision();
CREATE TRIGGER raise_revision AFTER INSERT OR UPDATE OR DELETE ON attribution_models
	FOR EACH STATEMENT EXECUTE FUNCTION raise_attribution_revision();

-- The path of a conversion: its touches by (time, id). Before the path itself stand path_extras touches: a click
-- that the conversion named and that is not in the path, and the first touch of all where path_beyond touches are
-- older than the path. credits: for each model (last click, first click, linear, position based, time decay, last
-- non-direct) the parts per million of each touch, model after model.
-- Left out by the conversion: campaign_id is nil, source is empty, named_click_id is NULL.
ALTER TABLE conversion_events
	ADD COLUMN named_click_id uuid,
	ADD COLUMN path_extras smallint NOT NULL DEFAULT 0,
	ADD COLUMN path_beyond integer NOT NULL DEFAULT 0,
	ADD COLUMN touch_ids uuid[] NOT NULL DEFAULT '{}',
	ADD COLUMN touch_dates timestamptz[] NOT NULL DEFAULT '{}',
	ADD COLUMN touch_campaigns uuid[] NOT NULL DEFAULT '{}',
	ADD COLUMN touch_sources text[] COLLATE "C" NOT NULL DEFAULT '{}',
	ADD COLUMN credits integer[] NOT NULL DEFAULT '{}';
CREATE INDEX conversion_events_named ON conversion_events (named_click_id) WHERE named_click_id IS NOT NULL;

-- The same, a row for each touch: for people, exports and checks.
CREATE VIEW conversion_credits AS
SELECT c.conversion_id, c.conversion_date, c.shard, t.place::integer AS place, t.place <= c.path_extras AS is_extra,
	t.click_id, t.click_date, t.campaign_id, t.source, m.model, c.credits[(m.row - 1) * n.touches + t.place] AS credit
FROM conversion_events c
CROSS JOIN LATERAL (SELECT cardinality(c.touch_ids) AS touches) n
CROSS JOIN LATERAL unnest(c.touch_ids, c.touch_dates, c.touch_campaigns, c.touch_sources) WITH ORDINALITY
	AS t (click_id, click_date, campaign_id, source, place)
CROSS JOIN (VALUES (1, 'last_click'), (2, 'first_click'), (3, 'linear'), (4, 'position_based'), (5, 'time_decay'),
	(6, 'last_non_direct')) AS m (row, model);
