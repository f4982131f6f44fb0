-- Dead letters whose reason lies outside of the log: what was registered when, what PostgreSQL was told to refuse,
-- and which of two came first.
SELECT topic, partition, "offset", reason, CASE WHEN reason <> 'conflict' THEN payload END
FROM dead_letters
WHERE reason IN ('unknown_campaign', 'refused', 'conflict')
