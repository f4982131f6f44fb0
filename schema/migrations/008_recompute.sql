-- New settings for history: what `tyrattribution recompute` prepares beside what is booked, then switches to.
--
-- While it is prepared ('building'), recompute_paths holds the paths that will be others, recompute_buckets and
-- recompute_days what that adds to conversion_buckets and day_shares. Writers keep both right. The row of `recompute`
-- switches ('folding'): from then on these rows count beside the booked ones, until they are folded into them.
CREATE TABLE recompute (
	only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	state       text COLLATE "C" NOT NULL CHECK (state IN ('none', 'building', 'folding')),
	valid_from  timestamptz NOT NULL DEFAULT 'infinity', -- of the new settings
	total       bigint NOT NULL DEFAULT 0,               -- conversions to look at; 0: not listed yet
	description text NOT NULL DEFAULT ''
);
INSERT INTO recompute (state) VALUES ('none');
CREATE TRIGGER raise_revision AFTER UPDATE ON recompute
	FOR EACH STATEMENT EXECUTE FUNCTION raise_attribution_revision();

-- The rows that the settings will have, beside those that they have.
CREATE TABLE recompute_windows (LIKE attribution_windows INCLUDING ALL);
CREATE TABLE recompute_models (LIKE attribution_models INCLUDING ALL);

-- What is still to be looked at.
CREATE TABLE recompute_work (
	shard           integer NOT NULL,
	piece           integer NOT NULL,
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL
);
CREATE INDEX ON recompute_work (shard, piece);

CREATE TABLE recompute_paths (
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL,
	shard           integer NOT NULL,
	click_id        uuid,
	click_date      timestamptz,
	path_extras     smallint NOT NULL,
	path_beyond     integer NOT NULL,
	touch_ids       uuid[] NOT NULL,
	touch_dates     timestamptz[] NOT NULL,
	touch_campaigns uuid[] NOT NULL,
	touch_sources   text[] COLLATE "C" NOT NULL,
	credits         integer[] NOT NULL,
	PRIMARY KEY (conversion_id, conversion_date)
);
CREATE INDEX ON recompute_paths (shard);
CREATE TABLE recompute_buckets (LIKE conversion_buckets INCLUDING ALL);
CREATE INDEX ON recompute_buckets (shard);
CREATE TABLE recompute_days (LIKE day_shares INCLUDING ALL);

-- The conversion buckets that count.
CREATE VIEW counted_buckets AS
SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed, unattributed_value_minor
FROM conversion_buckets
UNION ALL
SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed, unattributed_value_minor
FROM recompute_buckets
WHERE (SELECT state = 'folding' FROM recompute WHERE only_row);

-- The conversions with the paths that count.
CREATE VIEW counted_conversions AS
SELECT c.conversion_id, c.conversion_date, c.user_id, c.campaign_id, c.source, c.type, c.value_minor, c.named_click_id,
	c.adjusted_minor, c.is_cancelled, c.shard, c.created_at, c.log_offset, c.accepted_at, c.attributed_at, n.click_id, n.click_date, n.path_extras, n.path_beyond,
	n.touch_ids, n.touch_dates, n.touch_campaigns, n.touch_sources, n.credits
FROM conversion_events c
LEFT JOIN recompute_paths r ON r.conversion_id = c.conversion_id AND r.conversion_date = c.conversion_date
	AND (SELECT state = 'folding' FROM recompute WHERE only_row)
CROSS JOIN LATERAL (
	SELECT r.click_id, r.click_date, r.path_extras, r.path_beyond, r.touch_ids, r.touch_dates, r.touch_campaigns,
		r.touch_sources, r.credits
	WHERE r.conversion_id IS NOT NULL
	UNION ALL
	SELECT c.click_id, c.click_date, c.path_extras, c.path_beyond, c.touch_ids, c.touch_dates, c.touch_campaigns,
		c.touch_sources, c.credits
	WHERE r.conversion_id IS NULL
) n;

CREATE OR REPLACE VIEW conversion_credits AS
SELECT c.conversion_id, c.conversion_date, c.shard, t.place::integer AS place, t.place <= c.path_extras AS is_extra,
	t.click_id, t.click_date, t.campaign_id, t.source, m.model, c.credits[(m.row - 1) * n.touches + t.place] AS credit
FROM counted_conversions c
CROSS JOIN LATERAL (SELECT cardinality(c.touch_ids) AS touches) n
CROSS JOIN LATERAL unnest(c.touch_ids, c.touch_dates, c.touch_campaigns, c.touch_sources) WITH ORDINALITY
	AS t (click_id, click_date, campaign_id, source, place)
CROSS JOIN (VALUES (1, 'last_click'), (2, 'first_click'), (3, 'linear'), (4, 'position_based'), (5, 'time_decay'),
	(6, 'last_non_direct')) AS m (row, model);
