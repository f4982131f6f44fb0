-- Keep a message that cannot be processed, whole. A message that is read again is there already.
-- $1 topic, $2 partition, $3 offset, $4 key, $5 payload, $6 reason, $7 detail
INSERT INTO dead_letters (topic, partition, "offset", key, payload, reason, detail)
VALUES ($1, $2::int, $3::bigint, $4::bytea, $5::bytea, $6, $7)
ON CONFLICT DO NOTHING
