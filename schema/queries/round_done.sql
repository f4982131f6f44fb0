-- The round's changes are in the journals.
INSERT INTO journal_progress AS p (shard, version)
SELECT shard, version FROM round_versions
ON CONFLICT (shard) DO UPDATE SET version = greatest(p.version, excluded.version)
