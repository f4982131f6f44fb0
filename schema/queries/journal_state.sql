-- How far days are listed and closed, days since 1970.
SELECT listed_through - date '1970-01-01', closed_through - date '1970-01-01' FROM journal_state
