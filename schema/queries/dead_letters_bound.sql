-- Letters that come while a tool works are not its own: else a replay that fails again would never end.
-- $1 time of the selection's end, or NULL
SELECT least($1::timestamptz, now())::text
