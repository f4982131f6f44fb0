-- Letters are done with. What is dropped loses its bytes; the row stays, since it is counted.
-- $1 topics, $2 partitions, $3 offsets, $4 the state they are in, $5 the state to be
UPDATE dead_letters d
SET state = $5::text, resolved_at = now(),
	key = CASE WHEN $5::text = 'dropped' THEN NULL ELSE d.key END,
	payload = CASE WHEN $5::text = 'dropped' THEN NULL ELSE d.payload END
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS done (topic, partition, "offset")
WHERE d.topic = done.topic AND d.partition = done.partition AND d."offset" = done."offset" AND d.state = $4::text
