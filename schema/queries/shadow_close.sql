-- Days are listed and closed as far as the live ones were.
-- $1 listed, $2 closed (days since 1970)
UPDATE journal_state
SET listed_through = date '1970-01-01' + $1::int, closed_through = date '1970-01-01' + $2::int
