-- Keep a message that cannot be processed, whole. A message that is read again is there already.
-- $1 topic, $2 partition, $3 offset, $4 key, $5 payload, $6 reason, $7 detail,
-- $8 the event's id, if it could be read
INSERT INTO dead_letters (topic, partition, "offset", key, payload, reason, detail, event_id)
VALUES ($1, $2::int, $3::bigint, $4::bytea, $5::bytea, $6, $7, $8::uuid)
ON CONFLICT DO NOTHING
