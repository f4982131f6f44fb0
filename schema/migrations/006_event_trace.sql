-- Where each event lay in Kafka's log, and when; when a conversion's path was last made or changed. Bookkeeping:
-- nothing is computed from it, and it is NULL in rows that are older than these columns. (The partition is the shard.)
ALTER TABLE click_events
	ADD COLUMN log_offset bigint,
	ADD COLUMN accepted_at timestamptz;
ALTER TABLE conversion_events
	ADD COLUMN log_offset bigint,
	ADD COLUMN accepted_at timestamptz,
	ADD COLUMN attributed_at timestamptz;

-- The event that a dead letter is, where it could be read; NULL in older rows. There are few dead letters, so the
-- index costs next to nothing.
ALTER TABLE dead_letters ADD COLUMN event_id uuid;
CREATE INDEX dead_letters_event ON dead_letters (event_id) WHERE event_id IS NOT NULL;
