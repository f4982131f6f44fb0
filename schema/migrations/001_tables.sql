-- Everything the pipeline keeps: events, what is derived from them, and the bookkeeping that makes it exact.
-- Money is an integer of minor units (hundredths). Sums of money are numeric, so that they cannot overflow.

CREATE TABLE deployment (
	-- One row: what must never change under the stored data.
	only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	partitions integer NOT NULL CHECK (partitions > 0),
	id         uuid NOT NULL DEFAULT gen_random_uuid() -- Redis keys of another deployment are not ours
);

CREATE TABLE campaigns (
	campaign_id uuid PRIMARY KEY,
	name        text,
	created_at  timestamptz NOT NULL DEFAULT now()
);

-- The lookback window in force for conversions dated from valid_from on.
CREATE TABLE attribution_windows (
	valid_from timestamptz PRIMARY KEY,
	lookback   interval NOT NULL CHECK (lookback > interval '0')
);

CREATE TABLE click_events (
	click_id    uuid NOT NULL,
	click_date  timestamptz NOT NULL,
	user_id     uuid NOT NULL,
	campaign_id uuid NOT NULL,
	source      text COLLATE "C" NOT NULL,
	shard       integer NOT NULL,
	created_at  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (click_id, click_date)
) PARTITION BY RANGE (click_date);
CREATE INDEX click_events_user ON click_events (user_id, click_date);

-- click_id and click_date name the click that earned the conversion; NULL while there is none.
CREATE TABLE conversion_events (
	conversion_id   uuid NOT NULL,
	conversion_date timestamptz NOT NULL,
	user_id         uuid NOT NULL,
	campaign_id     uuid NOT NULL,
	source          text COLLATE "C" NOT NULL,
	type            text COLLATE "C" NOT NULL,
	value_minor     bigint NOT NULL,
	click_id        uuid,
	click_date      timestamptz,
	shard           integer NOT NULL,
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (conversion_id, conversion_date)
) PARTITION BY RANGE (conversion_date);
CREATE INDEX conversion_events_user ON conversion_events (user_id, conversion_date);

-- Months from 2000 to 2099 are made when they are needed; what lies outside has one partition on each side,
-- so that odd dates cannot make thousands of tables.
CREATE TABLE click_events_past PARTITION OF click_events FOR VALUES FROM (MINVALUE) TO ('2000-01-01Z');
CREATE TABLE click_events_future PARTITION OF click_events FOR VALUES FROM ('2100-01-01Z') TO (MAXVALUE);
CREATE TABLE conversion_events_past PARTITION OF conversion_events FOR VALUES FROM (MINVALUE) TO ('2000-01-01Z');
CREATE TABLE conversion_events_future PARTITION OF conversion_events FOR VALUES FROM ('2100-01-01Z') TO (MAXVALUE);

-- Make the partition for the month of first_day. Create like, then attach: attaching does not block writers.
CREATE FUNCTION ensure_event_month(parent text, first_day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	child text := parent || to_char(first_day, '_YYYY_MM');
	upto  date := (first_day + interval '1 month')::date;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('ensure_event_month'));
	IF to_regclass(quote_ident(child)) IS NOT NULL THEN
		RETURN;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
		to_char(first_day, 'YYYY-MM-DD"Z"'), to_char(upto, 'YYYY-MM-DD"Z"'));
END
$$;

-- Buckets of 15 minutes UTC: every time zone's day is made of them. Fillfactor leaves room for HOT updates.
CREATE TABLE click_buckets (
	shard       integer NOT NULL,
	campaign_id uuid NOT NULL,
	source      text COLLATE "C" NOT NULL,
	bucket      timestamptz NOT NULL,
	clicks      bigint NOT NULL,
	PRIMARY KEY (campaign_id, bucket, shard, source)
) WITH (fillfactor = 70);

-- credit is in parts per million of a conversion.
CREATE TABLE conversion_buckets (
	shard                    integer NOT NULL,
	campaign_id              uuid NOT NULL,
	source                   text COLLATE "C" NOT NULL,
	type                     text COLLATE "C" NOT NULL,
	model                    text COLLATE "C" NOT NULL,
	bucket                   timestamptz NOT NULL,
	credit                   bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL,
	PRIMARY KEY (campaign_id, bucket, shard, source, type, model)
) WITH (fillfactor = 70);

-- A shard's share of a campaign's UTC day by last click: what Redis holds for today, and the quickest exact
-- answer for any day. Kept in the same transaction as the buckets.
CREATE TABLE day_shares (
	shard                    integer NOT NULL,
	campaign_id              uuid NOT NULL,
	day                      date NOT NULL,
	clicks                   bigint NOT NULL,
	conversions              bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL,
	PRIMARY KEY (campaign_id, day, shard)
) WITH (fillfactor = 70);
CREATE INDEX day_shares_day ON day_shares (day);

-- One row per partition NUMBER, for all topics. Arrays are indexed by topic: 1 clicks, 2 conversions.
-- high_offset - first_offset = stored + duplicate + dead_lettered + gaps, always; next_offset is behind
-- high_offset only while offsets that were booked before are read again (reread).
CREATE TABLE partition_fences (
	partition     integer PRIMARY KEY,
	epoch         bigint NOT NULL,
	version       bigint NOT NULL DEFAULT 0,
	owner         text NOT NULL,
	backend_pid   integer,
	first_offset  bigint[] NOT NULL DEFAULT '{-1,-1}',
	next_offset   bigint[] NOT NULL DEFAULT '{-1,-1}',
	high_offset   bigint[] NOT NULL DEFAULT '{-1,-1}',
	stored        bigint[] NOT NULL DEFAULT '{0,0}',
	duplicate     bigint[] NOT NULL DEFAULT '{0,0}',
	dead_lettered bigint[] NOT NULL DEFAULT '{0,0}',
	gaps          bigint[] NOT NULL DEFAULT '{0,0}',
	reread        bigint[] NOT NULL DEFAULT '{0,0}',
	claimed_at    timestamptz NOT NULL DEFAULT now(),
	updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE dead_letters (
	topic      text NOT NULL,
	partition  integer NOT NULL,
	"offset"   bigint NOT NULL,
	key        bytea,
	payload    bytea,
	reason     text NOT NULL,
	detail     text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, partition, "offset")
);

-- Days up to listed_through are listed in journal_changes by every transaction that changes them; days up to
-- closed_through have their journals. Closing a day raises the first, writes the journals, raises the second.
CREATE TABLE journal_state (
	only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	listed_through date NOT NULL,
	closed_through date NOT NULL,
	CHECK (closed_through <= listed_through)
);
INSERT INTO journal_state (listed_through, closed_through) VALUES ('0001-12-31 BC', '0001-12-31 BC');

CREATE TABLE journal_changes (
	shard       integer NOT NULL,
	version     bigint NOT NULL,
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	listed_at   timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (shard, version, campaign_id, day)
);

-- Up to which version of each shard the listed changes are in the journals.
CREATE TABLE journal_progress (
	shard   integer PRIMARY KEY,
	version bigint NOT NULL
);

CREATE TABLE campaign_journals (
	campaign_id              uuid NOT NULL,
	day                      date NOT NULL,
	clicks                   bigint NOT NULL,
	conversions              bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL,
	created_at               timestamptz NOT NULL DEFAULT now(),
	updated_at               timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (campaign_id, day)
);
CREATE INDEX campaign_journals_day ON campaign_journals (day);

-- Sums of journals: period is the Monday of a week or the first day of a month.
CREATE TABLE campaign_statistics (
	campaign_id              uuid NOT NULL,
	period_kind               text COLLATE "C" NOT NULL CHECK (period_kind IN ('weekly', 'monthly')),
	period                   date NOT NULL,
	clicks                   bigint NOT NULL,
	conversions              bigint NOT NULL,
	value_minor              numeric NOT NULL,
	unattributed             bigint NOT NULL,
	unattributed_value_minor numeric NOT NULL,
	updated_at               timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (campaign_id, period_kind, period)
);
