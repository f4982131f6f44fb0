-- Make an event table's partition for a month.
-- $1 table, $2 first day of the month
SELECT ensure_event_month($1, $2::date)
