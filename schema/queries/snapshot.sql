-- What is visible now, to be given to changed_campaigns.sql later.
SELECT pg_current_snapshot()
