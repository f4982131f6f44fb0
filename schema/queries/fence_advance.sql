-- The last statement of every batch: what was read and what became of it, absolute.
-- $1 partition, $2 version, $3.. arrays by topic
UPDATE partition_fences
SET version = $2::bigint, first_offset = $3::bigint[], next_offset = $4::bigint[], high_offset = $5::bigint[],
	stored = $6::bigint[], duplicate = $7::bigint[], dead_lettered = $8::bigint[], gaps = $9::bigint[],
	reread = $10::bigint[], updated_at = now()
WHERE partition = $1::int
