-- Adjustments of conversions: what cancels one, takes something off its value or gives it another.

-- Not cut by months, unlike the other events: there are few of them, and each new conversion looks for those that came
-- before it, whatever their dates.
CREATE TABLE adjustment_events (
	adjustment_id   uuid NOT NULL,
	adjustment_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	conversion_id   uuid NOT NULL,
	change          text COLLATE "C" NOT NULL CHECK (change IN ('cancel', 'refund', 'value')),
	amount_minor    bigint NOT NULL, -- refunded, or the new value; of a cancellation 0
	shard           integer NOT NULL,
	created_at      timestamptz NOT NULL DEFAULT now(),
	log_offset      bigint,      -- see 006_event_trace.sql
	accepted_at     timestamptz,
	PRIMARY KEY (adjustment_id, adjustment_date)
);
CREATE INDEX adjustment_events_conversion ON adjustment_events (conversion_id);

-- What adjustments made of a conversion, as it is booked: NULL where there is none, else its value; and whether it
-- counts at all.
ALTER TABLE conversion_events
	ADD COLUMN adjusted_minor bigint,
	ADD COLUMN is_cancelled boolean NOT NULL DEFAULT false;

-- What the adjustments of a user's conversion make of its value: the latest new value, or the one it was given, less
-- all refunds, and not below 0. A function of their set.
CREATE FUNCTION adjustments_of(conversion uuid, conversion_user uuid, given bigint)
	RETURNS TABLE (adjusted_minor bigint, is_cancelled boolean) LANGUAGE sql STABLE AS $$
SELECT CASE WHEN count(*) > 0 THEN greatest(0,
		coalesce((array_agg(a.amount_minor ORDER BY a.adjustment_date DESC, a.adjustment_id DESC)
			FILTER (WHERE a.change = 'value'))[1], given)
		- coalesce(sum(a.amount_minor) FILTER (WHERE a.change = 'refund'), 0))::bigint END,
	coalesce(bool_or(a.change = 'cancel'), false)
FROM adjustment_events a
WHERE a.conversion_id = conversion AND a.user_id = conversion_user
$$;

-- Arrays of the fences, by topic: 1 clicks, 2 conversions, 3 adjustments.
ALTER TABLE partition_fences
	ALTER COLUMN first_offset SET DEFAULT '{-1,-1,-1}',
	ALTER COLUMN next_offset SET DEFAULT '{-1,-1,-1}',
	ALTER COLUMN high_offset SET DEFAULT '{-1,-1,-1}',
	ALTER COLUMN stored SET DEFAULT '{0,0,0}',
	ALTER COLUMN duplicate SET DEFAULT '{0,0,0}',
	ALTER COLUMN dead_lettered SET DEFAULT '{0,0,0}',
	ALTER COLUMN gaps SET DEFAULT '{0,0,0}',
	ALTER COLUMN reread SET DEFAULT '{0,0,0}';
UPDATE partition_fences
SET first_offset = first_offset || -1::bigint, next_offset = next_offset || -1::bigint,
	high_offset = high_offset || -1::bigint, stored = stored || 0::bigint, duplicate = duplicate || 0::bigint,
	dead_lettered = dead_lettered || 0::bigint, gaps = gaps || 0::bigint, reread = reread || 0::bigint;
ALTER TABLE partition_fences ADD CHECK (3 = ALL (ARRAY[cardinality(first_offset), cardinality(next_offset),
	cardinality(high_offset), cardinality(stored), cardinality(duplicate), cardinality(dead_lettered), cardinality(gaps),
	cardinality(reread)]));
