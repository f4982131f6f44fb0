-- Take the messages back that were put off. Those that were put off as conflicts are no letters any more; the
-- others, and those that were only kept, become letters of their real reason.
-- $1 partition
WITH taken AS (
	DELETE FROM dead_letters
	WHERE partition = $1::int AND reason = 'put_off'
	RETURNING topic, "offset", key, payload
), renamed AS (
	UPDATE dead_letters d
	SET reason = regexp_replace(d.reason, '^(put_off|kept)_', '')
	FROM dead_letters was
	WHERE d.partition = $1::int AND d.reason ~ '^(put_off|kept)_' AND was.ctid = d.ctid
	RETURNING d.topic, d."offset", d.key, d.payload, was.reason
)
SELECT topic, "offset", key, payload FROM taken
UNION ALL
SELECT topic, "offset", key, payload FROM renamed WHERE reason LIKE 'put\_off\_%'
ORDER BY "offset"
