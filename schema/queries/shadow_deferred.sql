-- Take the messages back that were put off; those of campaigns that were unknown remain letters.
-- $1 partition
WITH taken AS (
	DELETE FROM dead_letters
	WHERE partition = $1::int AND reason = 'put_off'
	RETURNING topic, "offset", key, payload
), kept AS (
	UPDATE dead_letters
	SET reason = 'unknown_campaign'
	WHERE partition = $1::int AND reason = 'put_off_unknown_campaign'
	RETURNING topic, "offset", key, payload
)
SELECT topic, "offset", key, payload FROM taken
UNION ALL
SELECT topic, "offset", key, payload FROM kept
ORDER BY "offset"
