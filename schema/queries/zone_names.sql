-- The names of time zones, as the IANA database has them; without copies, and what is no zone.
SELECT name
FROM pg_timezone_names
WHERE name !~ '^(posix|right)/' AND name NOT IN ('Factory', 'localtime', 'posixrules')
