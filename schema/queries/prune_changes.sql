-- Forget changes that are in the journals and that every process has long followed (HISTORY_FORGET_NS).
DELETE FROM journal_changes c
USING journal_progress p
WHERE c.shard = p.shard AND c.version <= p.version AND c.listed_at < now() - interval '1 hour'
