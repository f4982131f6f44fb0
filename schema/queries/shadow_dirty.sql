-- Note the campaign days whose journals do not follow from the buckets yet: listed changes that are not in them,
-- and days that are being closed. And the topics' partitions of which something was ever read again: an event that
-- was stored then counts as neither stored nor duplicate, and a repetition of it that came later as a duplicate.
WITH closed AS (
	INSERT INTO closed_days SELECT closed_through FROM journal_state
), again AS (
	INSERT INTO read_again
	SELECT f.partition, t.topic
	FROM partition_fences f, unnest(ARRAY['clicks', 'conversions', 'adjustments'], f.reread) AS t (topic, reread)
	WHERE t.reread > 0
)
INSERT INTO dirty_days
SELECT c.campaign_id, c.day
FROM partition_fences f
LEFT JOIN journal_progress p ON p.shard = f.partition
JOIN journal_changes c ON c.shard = f.partition AND c.version > coalesce(p.version, -1)
UNION
SELECT j.campaign_id, j.day
FROM campaign_journals j
WHERE j.day > (SELECT closed_through FROM journal_state)
