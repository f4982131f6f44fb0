-- What is in the way of a schema of this name? Its comment says who made it. A name on the search path, which the
-- user's own is by default, would be taken for the live tables as soon as it is there.
-- $1 schema
SELECT n.oid IS NOT NULL, coalesce(obj_description(n.oid, 'pg_namespace'), ''),
	$1 IN (current_user, session_user, current_schema())
		OR $1 = ANY (string_to_array(translate(current_setting('search_path'), '" ', ''), ','))
FROM (SELECT) AS one
LEFT JOIN pg_namespace n ON n.nspname = $1
