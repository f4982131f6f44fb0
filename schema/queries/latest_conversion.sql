-- When the latest stored conversion of a shard was, in milliseconds: no later click is a touch of a stored one.
-- $1 shard
SELECT (
	SELECT ceil(extract(epoch FROM conversion_date) * 1000)::bigint
	FROM conversion_events
	WHERE shard = $1::int
	ORDER BY conversion_date DESC
	LIMIT 1)
