-- By how many rows each event table exceeds what the fences count as stored: what was missing and was stored
-- again by reading again, so far.
SELECT (SELECT count(*) FROM click_events) - coalesce(sum(stored[1]), 0),
	(SELECT count(*) FROM conversion_events) - coalesce(sum(stored[2]), 0),
	(SELECT count(*) FROM adjustment_events) - coalesce(sum(stored[3]), 0)
FROM partition_fences
