-- How far days were listed and closed (days since 1970), and how many days' journals were waiting.
SELECT s.listed_through - date '1970-01-01', s.closed_through - date '1970-01-01', (SELECT count(*) FROM dirty_days)
FROM journal_state s
