-- A selection counted by reason. The first seven parameters of dead_letters_page.sql.
SELECT reason, count(*), coalesce(sum(octet_length(payload)), 0),
	to_char(min(created_at), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), to_char(max(created_at), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM dead_letters
WHERE ($1::text[] IS NULL OR reason = ANY ($1::text[]))
	AND ($2::text IS NULL OR topic = $2::text)
	AND ($3::int IS NULL OR partition = $3::int)
	AND ($4::bigint IS NULL OR "offset" = $4::bigint)
	AND ($5::timestamptz IS NULL OR created_at >= $5::timestamptz)
	AND created_at < $6::timestamptz
	AND ($7::text IS NULL OR state = $7::text)
GROUP BY reason
ORDER BY count(*) DESC, reason
