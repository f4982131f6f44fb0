-- As the first statement of every booking does, for book_day_shares.sql; in a statement before the list, so that it sees what
-- closing a day has raised.
SELECT pg_advisory_xact_lock_shared(hashtext('journal_state'))
