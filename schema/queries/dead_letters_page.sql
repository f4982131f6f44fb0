-- The next letters of a selection, oldest first: so many, and of about 8 MB at most. NULL selects all.
-- $1 reasons, $2 topic, $3 partition, $4 offset, $5 from, $6 before, $7 state,
-- $8 the last one seen as {created_at,topic,partition,offset}, $9 how many, $10 with key and payload?
WITH page AS (
	SELECT *, coalesce(octet_length(payload), 0) + coalesce(octet_length(key), 0) AS bytes
	FROM dead_letters
	WHERE ($1::text[] IS NULL OR reason = ANY ($1::text[]))
		AND ($2::text IS NULL OR topic = $2::text)
		AND ($3::int IS NULL OR partition = $3::int)
		AND ($4::bigint IS NULL OR "offset" = $4::bigint)
		AND ($5::timestamptz IS NULL OR created_at >= $5::timestamptz)
		AND created_at < $6::timestamptz
		AND ($7::text IS NULL OR state = $7::text)
		AND ($8::text[] IS NULL OR (created_at, topic, partition, "offset")
			> (($8::text[])[1]::timestamptz, ($8::text[])[2], ($8::text[])[3]::int, ($8::text[])[4]::bigint))
	ORDER BY created_at, topic, partition, "offset"
	LIMIT $9::bigint
), sized AS (
	SELECT *, sum(bytes) OVER (ORDER BY created_at, topic, partition, "offset") - bytes AS before
	FROM page
)
SELECT created_at::text, topic, partition, "offset", to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
	reason, detail, state, to_char(resolved_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), octet_length(payload),
	CASE WHEN $10::bool THEN key END, CASE WHEN $10::bool THEN payload END
FROM sized
WHERE NOT $10::bool OR before < 8000000
ORDER BY created_at, topic, partition, "offset"
