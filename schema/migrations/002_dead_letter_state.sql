-- What became of a dead letter. Rows are never deleted: the counts of partition_fences are of them, and a message
-- that is read again must find its row. Dropping one empties key and payload.
ALTER TABLE dead_letters
	ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dropped')),
	ADD COLUMN resolved_at timestamptz;

-- The order in which they are listed and replayed, page by page.
CREATE INDEX dead_letters_time ON dead_letters (created_at, topic, partition, "offset");
