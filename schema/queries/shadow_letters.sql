-- Dead letters whose reason lies outside of the log: what was registered when, and which of two came first.
SELECT topic, partition, "offset", reason, CASE reason WHEN 'unknown_campaign' THEN payload END
FROM dead_letters
WHERE reason IN ('unknown_campaign', 'conflict')
