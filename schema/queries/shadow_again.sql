-- Let a partition be read again from its beginning, as re-reads; or, after that, no more.
-- $1 partition, $2 begin
UPDATE partition_fences
SET next_offset = CASE WHEN $2::boolean THEN first_offset ELSE high_offset END
WHERE partition = $1::int
